package io.ztunnel.mesh;

import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The services, found by hostname and virtual address, and the endpoints that are in no service:
 * staged ones, whose service is not known yet, and withheld ones, which are not healthy enough for
 * it. Immutable.
 */
final class ServiceIndex {
  private final PersistentMap<String, List<Service>> byHostname;
  private final PersistentMap<NetworkAddress, List<Service>> byVip;
  private final CidrIndex byCidr;
  private final PersistentMap<NamespacedHostname, EndpointSet> staged;
  private final PersistentMap<NamespacedHostname, EndpointSet> withheld;

  private ServiceIndex(
      PersistentMap<String, List<Service>> byHostname,
      PersistentMap<NetworkAddress, List<Service>> byVip,
      CidrIndex byCidr,
      PersistentMap<NamespacedHostname, EndpointSet> staged,
      PersistentMap<NamespacedHostname, EndpointSet> withheld) {
    this.byHostname = byHostname;
    this.byVip = byVip;
    this.byCidr = byCidr;
    this.staged = staged;
    this.withheld = withheld;
  }

  static ServiceIndex empty() {
    return new ServiceIndex(
        PersistentMap.empty(),
        PersistentMap.empty(),
        CidrIndex.empty(),
        PersistentMap.empty(),
        PersistentMap.empty());
  }

  PersistentMap<String, List<Service>> byHostname() {
    return byHostname;
  }

  PersistentMap<NamespacedHostname, EndpointSet> staged() {
    return staged;
  }

  /** The endpoints that a service does not accept. */
  EndpointSet withheld(NamespacedHostname key) {
    return orEmpty(withheld.get(key));
  }

  @Nullable Service get(NamespacedHostname key) {
    return inNamespace(Buckets.in(byHostname, key.hostname()), key.namespace());
  }

  List<Service> all(String hostname) {
    return Buckets.in(byHostname, hostname);
  }

  @Nullable Service byHostname(String hostname, @Nullable String clientNamespace) {
    return BestService.of(all(hostname), clientNamespace);
  }

  /** An address of its own, or else a range that it is in. */
  @Nullable Service byVip(NetworkAddress address, @Nullable String clientNamespace) {
    Service exact = BestService.of(Buckets.in(byVip, address), clientNamespace);
    return exact != null ? exact : byCidr.find(address, clientNamespace);
  }

  private static @Nullable Service inNamespace(List<Service> services, String namespace) {
    for (Service service : services) {
      if (service.namespace().equals(namespace)) {
        return service;
      }
    }
    return null;
  }

  private static EndpointSet orEmpty(@Nullable EndpointSet endpoints) {
    return endpoints == null ? EndpointSet.EMPTY : endpoints;
  }

  /** Changes the services. Confined to the control thread. */
  static final class Editor {
    private final PersistentMap.Editor<String, List<Service>> byHostname;
    private final PersistentMap.Editor<NetworkAddress, List<Service>> byVip;
    private final CidrIndex.Editor byCidr;
    private final PersistentMap.Editor<NamespacedHostname, EndpointSet> staged;
    private final PersistentMap.Editor<NamespacedHostname, EndpointSet> withheld;

    Editor(ServiceIndex index) {
      byHostname = index.byHostname.edit();
      byVip = index.byVip.edit();
      byCidr = index.byCidr.edit();
      staged = index.staged.edit();
      withheld = index.withheld.edit();
    }

    @Nullable Service get(NamespacedHostname key) {
      List<Service> services = byHostname.get(key.hostname());
      return services == null ? null : inNamespace(services, key.namespace());
    }

    /**
     * Adds a service in place of one with the same key, whose endpoints it takes over together with
     * those that waited for it. Endpoints withheld from the old one are looked at again, so a
     * service that begins to allow all gets them at once. An equal one stays as it is.
     */
    void insert(Service service) {
      NamespacedHostname key = service.key();
      Service old = get(key);
      if (old != null && isSettled(old) && old.withEndpoints(EndpointSet.EMPTY).equals(service)) {
        return;
      }
      EndpointSet waiting = orEmpty(staged.get(key));
      staged.remove(key);
      Sorting sorting = new Sorting(service, old, orEmpty(withheld.get(key)));
      service.endpoints().forEachNamed(sorting::put);
      waiting.forEachWorkload(sorting::put);
      keep(withheld, key, sorting.refused.set());
      removeFromIndexes(old);
      addToIndexes(service.withEndpoints(sorting.accepted.set()));
    }

    /** Whether nothing would change if one that is here were inserted once more. */
    private boolean isSettled(Service present) {
      return !present.endpoints().hasNamed()
          && present.cidrVips().isEmpty()
          && isAlone(byHostname.get(present.hostname()))
          && present.vips().stream().allMatch(vip -> isAlone(byVip.get(vip)));
    }

    private static boolean isAlone(@Nullable List<Service> services) {
      return services != null && services.size() == 1;
    }

    /**
     * Removes a service. The workloads that serve it are there still, and wait for it to come back:
     * the control plane does not send them again then.
     */
    @Nullable Service remove(NamespacedHostname key) {
      Service old = get(key);
      if (old == null) {
        return null;
      }
      EndpointSet.Editor waiting = new EndpointSet.Editor(key, List.of(), EndpointSet.EMPTY);
      old.endpoints().forEachWorkload(waiting::put);
      orEmpty(withheld.get(key)).forEachWorkload(waiting::put);
      keep(staged, key, waiting.set());
      withheld.remove(key);
      removeFromIndexes(old);
      return old;
    }

    /** Applies changes of the endpoints of a service, in order. */
    @SuppressWarnings("ReferenceEquality") // unchanged sets are the same object
    void apply(NamespacedHostname key, List<EndpointChange> changes) {
      Service service = get(key);
      if (service == null) {
        EndpointSet.Editor waiting =
            new EndpointSet.Editor(key, List.of(), orEmpty(staged.get(key)));
        for (EndpointChange change : changes) {
          switch (change.kind()) {
            case PRESENT -> waiting.put(change.workload());
            case GONE -> waiting.remove(change.workload());
          }
        }
        keep(staged, key, waiting.set());
        return;
      }
      Sorting sorting = new Sorting(service, service, orEmpty(withheld.get(key)));
      for (EndpointChange change : changes) {
        switch (change.kind()) {
          case PRESENT -> sorting.put(change.workload());
          case GONE -> sorting.remove(change.workload());
        }
      }
      keep(withheld, key, sorting.refused.set());
      EndpointSet after = sorting.accepted.set();
      if (after != service.endpoints()) {
        replaceInIndexes(service.withEndpoints(after));
      }
    }

    ServiceIndex index() {
      return new ServiceIndex(
          byHostname.map(), byVip.map(), byCidr.index(), staged.map(), withheld.map());
    }

    /** Endpoints of one service on the way to those it accepts or those withheld from it. */
    private static final class Sorting {
      private final Service service;
      private final EndpointSet.Editor accepted;
      private final EndpointSet.Editor refused;

      /** Starts with those that an earlier version of the service had. */
      Sorting(Service service, @Nullable Service old, EndpointSet withheld) {
        this.service = service;
        EndpointSet present = old == null ? EndpointSet.EMPTY : old.endpoints();
        boolean sorted = old == null || service.acceptsAndPrefersAs(old);
        EndpointSet before = sorted ? present : EndpointSet.EMPTY;
        EndpointSet refusedBefore = sorted ? withheld : EndpointSet.EMPTY;
        NamespacedHostname key = service.key();
        accepted = new EndpointSet.Editor(key, service.preferences(), before);
        refused = new EndpointSet.Editor(key, List.of(), refusedBefore);
        if (!sorted) {
          for (EndpointSet set : List.of(present, withheld)) {
            set.forEachWorkload(this::put);
            set.forEachNamed(this::put);
          }
        }
      }

      void put(Workload workload) {
        boolean good = service.accepts(workload.status());
        (good ? accepted : refused).put(workload);
        (good ? refused : accepted).remove(workload);
      }

      void put(Endpoint endpoint) {
        String uid = endpoint.workloadUid();
        if (accepted.workload(uid) != null || refused.workload(uid) != null) {
          return; // what a workload says itself counts
        }
        accepted.removeNamed(uid);
        refused.removeNamed(uid);
        (service.accepts(endpoint.status()) ? accepted : refused).put(endpoint);
      }

      void remove(Workload workload) {
        accepted.remove(workload);
        refused.remove(workload);
      }
    }

    private static void keep(
        PersistentMap.Editor<NamespacedHostname, EndpointSet> map,
        NamespacedHostname key,
        EndpointSet endpoints) {
      if (endpoints.isEmpty()) {
        map.remove(key);
      } else {
        map.put(key, endpoints);
      }
    }

    private void addToIndexes(Service service) {
      Buckets.append(byHostname, service.hostname(), service);
      for (NetworkAddress vip : vips(service)) {
        Buckets.append(byVip, vip, service);
      }
      byCidr.add(service);
    }

    private void removeFromIndexes(@Nullable Service service) {
      if (service == null) {
        return;
      }
      Predicate<Service> same = sameKey(service);
      Buckets.remove(byHostname, service.hostname(), same);
      for (NetworkAddress vip : vips(service)) {
        Buckets.remove(byVip, vip, same);
      }
      byCidr.remove(service);
    }

    /** For a service whose addresses are as before. */
    private void replaceInIndexes(Service service) {
      Predicate<Service> same = sameKey(service);
      Buckets.replace(byHostname, service.hostname(), same, service);
      for (NetworkAddress vip : vips(service)) {
        Buckets.replace(byVip, vip, same, service);
      }
      byCidr.replace(service);
    }

    static Predicate<Service> sameKey(Service service) {
      return other ->
          other.namespace().equals(service.namespace())
              && other.hostname().equals(service.hostname());
    }

    private static Set<NetworkAddress> vips(Service service) {
      return new LinkedHashSet<>(service.vips());
    }
  }
}
