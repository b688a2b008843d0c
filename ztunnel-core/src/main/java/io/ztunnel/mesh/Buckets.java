package io.ztunnel.mesh;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/**
 * Changes to maps whose values are short lists, in order of insertion; an empty list is no entry.
 */
final class Buckets {
  private Buckets() {}

  static <K, T> List<T> in(PersistentMap<K, List<T>> map, K key) {
    List<T> list = map.get(key);
    return list == null ? List.of() : list;
  }

  static <K, T> void append(PersistentMap.Editor<K, List<T>> map, K key, T value) {
    List<T> list = map.get(key);
    if (list == null) {
      map.put(key, List.of(value));
      return;
    }
    List<T> longer = new ArrayList<>(list.size() + 1);
    longer.addAll(list);
    longer.add(value);
    map.put(key, List.copyOf(longer));
  }

  static <K, T> void remove(PersistentMap.Editor<K, List<T>> map, K key, Predicate<T> which) {
    List<T> list = map.get(key);
    if (list == null) {
      return;
    }
    List<T> kept = list.stream().filter(which.negate()).toList();
    if (kept.isEmpty()) {
      map.remove(key);
    } else if (kept.size() < list.size()) {
      map.put(key, kept);
    }
  }

  static <K, T> void replace(
      PersistentMap.Editor<K, List<T>> map, K key, Predicate<T> which, T value) {
    List<T> list = map.get(key);
    if (list != null) {
      map.put(key, list.stream().map(present -> which.test(present) ? value : present).toList());
    }
  }
}
