package io.ztunnel.mesh;

import java.util.function.BiConsumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * An immutable hash map whose changed copies share with it all that is the same: a {@link Trie} of
 * entries. An {@link Editor} changes what it has made in place, so that a bulk load costs little
 * more than in a mutable map.
 *
 * <p>Order of iteration is that of hash codes.
 */
final class PersistentMap<K, V> {
  private record Entry<K, V>(K key, V value) {}

  /** Entries are known by their keys and are never drawn. */
  private static final class Entries<K, V> implements Trie.Kind<Entry<K, V>> {
    @Override
    public int hash(Entry<K, V> entry) {
      return entry.key().hashCode();
    }

    @Override
    public boolean sameKey(Entry<K, V> one, Entry<K, V> other) {
      return one.key().equals(other.key());
    }

    @Override
    public long weight(Entry<K, V> entry) {
      return 0;
    }
  }

  private static final PersistentMap<?, ?> EMPTY =
      new PersistentMap<>(Trie.empty(new Entries<Object, Object>()));

  private final Trie<Entry<K, V>> entries;

  private PersistentMap(Trie<Entry<K, V>> entries) {
    this.entries = entries;
  }

  @SuppressWarnings("unchecked") // it has no entries
  static <K, V> PersistentMap<K, V> empty() {
    return (PersistentMap<K, V>) EMPTY;
  }

  int size() {
    return entries.size();
  }

  boolean isEmpty() {
    return entries.isEmpty();
  }

  @Nullable V get(K key) {
    Entry<K, V> entry = entries.find(key.hashCode(), present -> present.key().equals(key));
    return entry == null ? null : entry.value();
  }

  void forEach(BiConsumer<? super K, ? super V> action) {
    entries.forEach(entry -> action.accept(entry.key(), entry.value()));
  }

  boolean anyMatch(Predicate<? super V> condition) {
    return entries.anyMatch(entry -> condition.test(entry.value()));
  }

  PersistentMap<K, V> with(K key, V value) {
    Editor<K, V> editor = edit();
    editor.put(key, value);
    return editor.map();
  }

  PersistentMap<K, V> without(K key) {
    Editor<K, V> editor = edit();
    editor.remove(key);
    return editor.map();
  }

  Editor<K, V> edit() {
    return new Editor<>(this);
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder("{");
    forEach((key, value) -> text.append(key).append('=').append(value).append(' '));
    return text.append('}').toString();
  }

  /** Changes a copy of a map. Confined to the thread that uses it. */
  static final class Editor<K, V> {
    private final Trie.Editor<Entry<K, V>> entries;
    private PersistentMap<K, V> original;

    private Editor(PersistentMap<K, V> original) {
      this.original = original;
      this.entries = original.entries.edit();
    }

    private @Nullable Entry<K, V> find(K key) {
      return entries.find(key.hashCode(), present -> present.key().equals(key));
    }

    @Nullable V get(K key) {
      Entry<K, V> present = find(key);
      return present == null ? null : present.value();
    }

    @SuppressWarnings("ReferenceEquality") // the same object: nothing to change
    void put(K key, V value) {
      Entry<K, V> present = find(key);
      if (present == null) {
        entries.put(new Entry<>(key, value));
      } else if (present.value() != value) {
        entries.put(new Entry<>(present.key(), value));
      }
    }

    void remove(K key) {
      Entry<K, V> present = find(key);
      if (present != null) {
        entries.remove(present);
      }
    }

    int size() {
      return entries.size();
    }

    /** The map as it is now; later changes do not show in it. */
    @SuppressWarnings("ReferenceEquality") // the same object: nothing has changed
    PersistentMap<K, V> map() {
      Trie<Entry<K, V>> now = entries.set();
      if (now != original.entries) {
        original = now.isEmpty() ? empty() : new PersistentMap<>(now);
      }
      return original;
    }
  }
}
