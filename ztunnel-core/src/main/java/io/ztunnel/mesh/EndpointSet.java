package io.ztunnel.mesh;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The endpoints of a service, by workload uid. Immutable; changed copies share what is the same.
 */
public final class EndpointSet {
  public static final EndpointSet EMPTY = new EndpointSet(PersistentMap.empty());

  private final PersistentMap<String, Endpoint> byUid;

  private EndpointSet(PersistentMap<String, Endpoint> byUid) {
    this.byUid = byUid;
  }

  /** The endpoints given; of two with one workload uid the later. */
  public static EndpointSet of(Collection<Endpoint> endpoints) {
    PersistentMap.Editor<String, Endpoint> editor = EMPTY.byUid.edit();
    endpoints.forEach(endpoint -> editor.put(endpoint.workloadUid(), endpoint));
    return of(editor);
  }

  static EndpointSet of(PersistentMap.Editor<String, Endpoint> editor) {
    PersistentMap<String, Endpoint> map = editor.map();
    return map.isEmpty() ? EMPTY : new EndpointSet(map);
  }

  public @Nullable Endpoint get(String workloadUid) {
    return byUid.get(workloadUid);
  }

  public int size() {
    return byUid.size();
  }

  public boolean isEmpty() {
    return byUid.isEmpty();
  }

  public void forEach(Consumer<? super Endpoint> action) {
    byUid.forEach((_, endpoint) -> action.accept(endpoint));
  }

  /** Whether the condition holds for any of them. */
  public boolean anyMatch(Predicate<? super Endpoint> condition) {
    return byUid.anyMatch(condition);
  }

  /** In the order of workload uids, for display. */
  public List<Endpoint> sorted() {
    List<Endpoint> all = new ArrayList<>(size());
    forEach(all::add);
    all.sort(Comparator.comparing(Endpoint::workloadUid));
    return List.copyOf(all);
  }

  PersistentMap.Editor<String, Endpoint> edit() {
    return byUid.edit();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof EndpointSet that
        && size() == that.size()
        && sorted().equals(that.sorted());
  }

  @Override
  public int hashCode() {
    return sorted().hashCode();
  }

  @Override
  public String toString() {
    return sorted().toString();
  }
}
