package io.ztunnel.mesh;

import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
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
     * service that begins to allow all gets them at once.
     */
    void insert(Service service) {
      NamespacedHostname key = service.key();
      Service old = get(key);
      PersistentMap.Editor<String, Endpoint> accepted = EndpointSet.EMPTY.edit();
      PersistentMap.Editor<String, Endpoint> refused = EndpointSet.EMPTY.edit();
      Consumer<Endpoint> sort = endpoint -> sort(service, endpoint, accepted, refused);
      if (old != null) {
        old.endpoints().forEach(sort);
      }
      orEmpty(withheld.get(key)).forEach(sort);
      service.endpoints().forEach(sort);
      orEmpty(staged.get(key)).forEach(sort);
      staged.remove(key);
      keep(withheld, key, EndpointSet.of(refused));
      removeFromIndexes(old);
      addToIndexes(service.withEndpoints(EndpointSet.of(accepted)));
    }

    /** Removes a service and the endpoints that wait for it. */
    @Nullable Service remove(NamespacedHostname key) {
      Service old = get(key);
      removeFromIndexes(old);
      staged.remove(key);
      withheld.remove(key);
      return old;
    }

    /** Applies the last word on some endpoints of a service: the endpoint, or empty for none. */
    void apply(NamespacedHostname key, Map<String, Optional<Endpoint>> changes) {
      Service service = get(key);
      if (service == null) {
        PersistentMap.Editor<String, Endpoint> waiting = orEmpty(staged.get(key)).edit();
        changes.forEach(
            (uid, endpoint) ->
                endpoint.ifPresentOrElse(
                    present -> waiting.put(uid, present), () -> waiting.remove(uid)));
        keep(staged, key, EndpointSet.of(waiting));
        return;
      }
      PersistentMap.Editor<String, Endpoint> accepted = service.endpoints().edit();
      PersistentMap.Editor<String, Endpoint> refused = orEmpty(withheld.get(key)).edit();
      boolean changed = false;
      for (Map.Entry<String, Optional<Endpoint>> change : changes.entrySet()) {
        Endpoint before = accepted.get(change.getKey());
        if (change.getValue().isPresent()) {
          sort(service, change.getValue().get(), accepted, refused);
        } else {
          accepted.remove(change.getKey());
          refused.remove(change.getKey());
        }
        changed |= !Objects.equals(before, accepted.get(change.getKey()));
      }
      keep(withheld, key, EndpointSet.of(refused));
      if (changed) {
        replaceInIndexes(service.withEndpoints(EndpointSet.of(accepted)));
      }
    }

    ServiceIndex index() {
      return new ServiceIndex(
          byHostname.map(), byVip.map(), byCidr.index(), staged.map(), withheld.map());
    }

    private static void sort(
        Service service,
        Endpoint endpoint,
        PersistentMap.Editor<String, Endpoint> accepted,
        PersistentMap.Editor<String, Endpoint> refused) {
      boolean good = service.accepts(endpoint);
      (good ? accepted : refused).put(endpoint.workloadUid(), endpoint);
      (good ? refused : accepted).remove(endpoint.workloadUid());
    }

    private static EndpointSet orEmpty(@Nullable EndpointSet endpoints) {
      return endpoints == null ? EndpointSet.EMPTY : endpoints;
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
