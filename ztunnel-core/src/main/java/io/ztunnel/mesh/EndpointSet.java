package io.ztunnel.mesh;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The endpoints of a service, by workload uid: workloads that say they serve it, and those that a
 * local file names for it. Immutable; changed copies share what is the same.
 */
public final class EndpointSet {
  public static final EndpointSet EMPTY =
      new EndpointSet(
          new NamespacedHostname("", ""),
          List.of(),
          Trie.empty(ByUid.WEIGHED),
          PersistentMap.empty(),
          PersistentMap.empty());

  private final NamespacedHostname service;
  private final List<LoadBalancer.Scope> preferences;
  private final Trie<Workload> workloads;

  /** The same once more by where they are, as far as the preferences ask; empty without any. */
  private final PersistentMap<List<String>, Trie<Workload>> byPlace;

  /** Those that only a local file names. */
  private final PersistentMap<String, Endpoint> named;

  /** Made by the first thread that asks for it, or by several, which makes no difference. */
  private @Nullable ByFamily byFamily;

  /** The workloads that have an address of a family, for a draw that looks at few of them. */
  private record ByFamily(List<Workload> v4, List<Workload> v6) {
    static ByFamily of(Trie<Workload> workloads) {
      return new ByFamily(having(workloads, false), having(workloads, true));
    }

    private static List<Workload> having(Trie<Workload> workloads, boolean ipv6) {
      List<Workload> found = new ArrayList<>();
      workloads.forEach(
          workload -> {
            if (workload.hasIp(ipv6)) {
              found.add(workload);
            }
          });
      return List.copyOf(found);
    }
  }

  private EndpointSet(
      NamespacedHostname service,
      List<LoadBalancer.Scope> preferences,
      Trie<Workload> workloads,
      PersistentMap<List<String>, Trie<Workload>> byPlace,
      PersistentMap<String, Endpoint> named) {
    this.service = service;
    this.preferences = preferences;
    this.workloads = workloads;
    this.byPlace = byPlace;
    this.named = named;
  }

  /** The endpoints that a local file names; of two with one workload uid the later. */
  static EndpointSet of(NamespacedHostname service, Collection<Endpoint> endpoints) {
    Editor editor = new Editor(service, List.of(), EMPTY);
    endpoints.forEach(editor::put);
    return editor.set();
  }

  public @Nullable Endpoint get(String workloadUid) {
    Workload workload =
        workloads.find(workloadUid.hashCode(), present -> present.hasUid(workloadUid));
    return workload != null ? endpoint(workload) : named.get(workloadUid);
  }

  public int size() {
    return workloads.size() + named.size();
  }

  public boolean isEmpty() {
    return size() == 0;
  }

  public void forEach(Consumer<? super Endpoint> action) {
    workloads.forEach(workload -> action.accept(endpoint(workload)));
    named.forEach((_, endpoint) -> action.accept(endpoint));
  }

  /** Whether the condition holds for any of them. */
  public boolean anyMatch(Predicate<? super Endpoint> condition) {
    return workloads.anyMatch(workload -> condition.test(endpoint(workload)))
        || named.anyMatch(condition);
  }

  /** In the order of workload uids, for display. */
  public List<Endpoint> sorted() {
    List<Endpoint> all = new ArrayList<>(size());
    forEach(all::add);
    all.sort(Comparator.comparing(Endpoint::workloadUid));
    return List.copyOf(all);
  }

  /** Those that say so themselves. */
  public void forEachWorkload(Consumer<? super Workload> action) {
    workloads.forEach(action);
  }

  /**
   * Those of them that have an address of IPv6, or else of IPv4, in no order. The first call looks
   * at all of them, the others at none.
   */
  public List<Workload> workloadsWithIp(boolean ipv6) {
    ByFamily known = byFamily;
    if (known == null) {
      known = ByFamily.of(workloads);
      byFamily = known;
    }
    return ipv6 ? known.v6() : known.v4();
  }

  /**
   * All that say so themselves in groups, one for each place that the service's preferences tell
   * apart.
   */
  public void forEachGroup(Consumer<? super EndpointGroup> action) {
    if (preferences.isEmpty()) {
      action.accept(new EndpointGroup(List.of(), workloads));
    } else {
      byPlace.forEach((place, group) -> action.accept(new EndpointGroup(place, group)));
    }
  }

  /** Those that only a local file names, whether their workloads are known or not. */
  public void forEachNamed(Consumer<? super Endpoint> action) {
    named.forEach((_, endpoint) -> action.accept(endpoint));
  }

  public boolean hasNamed() {
    return !named.isEmpty();
  }

  /** Where a workload of this set serves the ports of the service. */
  public PortMap ports(Workload workload) {
    return workload.ports(service);
  }

  private Endpoint endpoint(Workload workload) {
    return workload.endpoint(ports(workload));
  }

  @Override
  public boolean equals(@Nullable Object other) {
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

  /** Changes a copy of a set. Confined to the thread that uses it. */
  static final class Editor {
    private final NamespacedHostname service;
    private final List<LoadBalancer.Scope> preferences;
    private final EndpointSet original;
    private final Trie.Editor<Workload> workloads;
    private final PersistentMap.Editor<List<String>, Trie<Workload>> byPlace;
    private final PersistentMap.Editor<String, Endpoint> named;

    /**
     * Starts with the endpoints of a set.
     *
     * @param preferences what the set's were too, unless it is empty
     */
    Editor(NamespacedHostname service, List<LoadBalancer.Scope> preferences, EndpointSet original) {
      this.service = service;
      this.preferences = preferences;
      this.original = original;
      workloads = original.workloads.edit();
      byPlace = original.byPlace.edit();
      named = original.named.edit();
    }

    @Nullable Workload workload(String uid) {
      return workloads.find(uid.hashCode(), present -> present.hasUid(uid));
    }

    /** Adds an endpoint in place of one with the same uid. */
    void put(Workload workload) {
      Workload before = workloads.find(workload.uidHash(), workload::hasUidOf);
      if (before != null && !preferences.isEmpty()) {
        inPlace(before, group -> group.remove(before));
      }
      workloads.put(workload);
      if (!preferences.isEmpty()) {
        inPlace(workload, group -> group.put(workload));
      }
      if (named.size() > 0) {
        named.remove(workload.uid());
      }
    }

    /** Adds an endpoint that a local file names; there is no workload of its uid here. */
    void put(Endpoint endpoint) {
      named.put(endpoint.workloadUid(), endpoint);
    }

    /** Removes the endpoint with the uid of this workload, if there is one. */
    void remove(Workload workload) {
      Workload before = workloads.find(workload.uidHash(), workload::hasUidOf);
      if (before != null) {
        workloads.remove(before);
        if (!preferences.isEmpty()) {
          inPlace(before, group -> group.remove(before));
        }
      }
      if (named.size() > 0) {
        named.remove(workload.uid());
      }
    }

    /** Removes one that a local file named. */
    void removeNamed(String uid) {
      named.remove(uid);
    }

    EndpointSet set() {
      Trie<Workload> all = workloads.set();
      PersistentMap<String, Endpoint> others = named.map();
      if (all.isEmpty() && others.isEmpty()) {
        return EMPTY;
      }
      boolean same =
          isSame(all, original.workloads)
              && isSame(others, original.named)
              && preferences.equals(original.preferences);
      return same ? original : new EndpointSet(service, preferences, all, byPlace.map(), others);
    }

    @SuppressWarnings("ReferenceEquality") // unchanged sets are the same object
    private static boolean isSame(Object one, Object other) {
      return one == other;
    }

    private void inPlace(Workload workload, Consumer<Trie.Editor<Workload>> change) {
      List<String> place = LoadBalancer.place(preferences, workload);
      Trie<Workload> before = byPlace.get(place);
      Trie.Editor<Workload> group = (before == null ? Trie.empty(ByUid.WEIGHED) : before).edit();
      change.accept(group);
      if (group.isEmpty()) {
        byPlace.remove(place);
      } else {
        byPlace.put(place, group.set());
      }
    }
  }
}
