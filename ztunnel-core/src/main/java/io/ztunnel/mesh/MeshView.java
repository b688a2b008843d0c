package io.ztunnel.mesh;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The mesh at one moment: all answers of one view agree with each other. Take a new one for each
 * connection. Immutable.
 *
 * <p>"Client namespace" is the namespace of whoever asks: services restricted to their namespace
 * are hidden from others, and of several with one name or address one of the same namespace is
 * preferred. Null stands for a client that is not known, from whom nothing is hidden (Istio).
 */
public final class MeshView {
  static final MeshView EMPTY =
      new MeshView(WorkloadIndex.empty(), ServiceIndex.empty(), PolicyIndex.empty());

  private final WorkloadIndex workloads;
  private final ServiceIndex services;
  private final PolicyIndex policies;

  MeshView(WorkloadIndex workloads, ServiceIndex services, PolicyIndex policies) {
    this.workloads = workloads;
    this.services = services;
    this.policies = policies;
  }

  WorkloadIndex workloads() {
    return workloads;
  }

  ServiceIndex services() {
    return services;
  }

  PolicyIndex policies() {
    return policies;
  }

  public @Nullable Workload workload(String uid) {
    return workloads.get(uid);
  }

  /** The workload of an address: pods first, then HBONE, then the one inserted last. */
  public @Nullable Workload workload(NetworkAddress address) {
    return workloads.byAddress(address);
  }

  /** The workload that has this hostname of its own. */
  public @Nullable Workload workload(NamespacedHostname hostname) {
    return workloads.byHostname(hostname);
  }

  /** The gateways into a network, all that the control plane tells of. */
  public List<Workload> gateways(String network) {
    return workloads.gateways(network);
  }

  /** The workload on this node that the node agent knows by this name. */
  public @Nullable Workload localWorkload(WorkloadInfo info) {
    return workloads.local(info);
  }

  /** The service of this key, whoever asks. */
  public @Nullable Service service(NamespacedHostname key) {
    return services.get(key);
  }

  /** The best service with this virtual address, or else with a range that it is in. */
  public @Nullable Service service(NetworkAddress vip, @Nullable String clientNamespace) {
    return services.byVip(vip, clientNamespace);
  }

  /** The best service with this hostname. */
  public @Nullable Service service(String hostname, @Nullable String clientNamespace) {
    return services.byHostname(hostname, clientNamespace);
  }

  /**
   * The best service with this hostname of those that meet a condition; where nothing else decides,
   * one of the preferred namespace.
   */
  public @Nullable Service service(
      String hostname,
      @Nullable String clientNamespace,
      @Nullable String preferredNamespace,
      Predicate<? super Service> condition) {
    List<Service> named = services.all(hostname);
    return named.isEmpty() // for most names that are asked for
        ? null
        : BestService.of(
            named.stream().filter(condition).toList(), clientNamespace, preferredNamespace);
  }

  /** All services with this hostname, at most one per namespace, in order of insertion. */
  public List<Service> services(String hostname) {
    return services.all(hostname);
  }

  /** The services a workload says it belongs to, as far as they are known. */
  public List<Service> services(Workload workload) {
    List<Service> found = new ArrayList<>(workload.services().size());
    for (NamespacedHostname key : workload.services()) {
      Service service = services.get(key);
      if (service != null) {
        found.add(service);
      }
    }
    return found;
  }

  /** All workloads that say they belong to a service, whether it accepts them or not. */
  public void forEachWorkload(Service service, Consumer<? super Workload> action) {
    service.endpoints().forEachWorkload(action);
    services.withheld(service.key()).forEachWorkload(action);
  }

  /** What an address stands for: a workload first, then a service. */
  public @Nullable Addressable find(NetworkAddress address, @Nullable String clientNamespace) {
    Workload workload = workload(address);
    return workload != null ? workload : service(address, clientNamespace);
  }

  /** What a hostname stands for: a service first, then a workload. */
  public @Nullable Addressable find(NamespacedHostname hostname) {
    Service service = service(hostname);
    return service != null ? service : workload(hostname);
  }

  /** What a waypoint or gateway is named by, as the address or the hostname that it is. */
  public @Nullable Addressable find(
      GatewayAddress.Destination destination, @Nullable String clientNamespace) {
    return switch (destination) {
      case NetworkAddress address -> find(address, clientNamespace);
      case NamespacedHostname hostname -> find(hostname);
    };
  }

  public @Nullable Authorization policy(String key) {
    return policies.byKey().get(key);
  }

  /** The policy of a key by itself, for a workload that names it. */
  public @Nullable PolicyGroup policyGroup(String key) {
    return policies.alone(key);
  }

  /** The policies for all workloads of a namespace. */
  public PolicyGroup namespacePolicies(String namespace) {
    return policies.group(namespace);
  }

  /** The policies for all workloads. */
  public PolicyGroup globalPolicies() {
    return policies.group(PolicyIndex.GLOBAL);
  }

  public int workloadCount() {
    return workloads.size();
  }

  /** All workloads, in no order. */
  public void forEachWorkload(Consumer<? super Workload> action) {
    workloads.forEach(action);
  }

  /** All workloads in the order of their uids, for display. */
  public List<Workload> sortedWorkloads() {
    List<Workload> all = new ArrayList<>(workloadCount());
    workloads.forEach(all::add);
    all.sort(Comparator.comparing(Workload::uid));
    return Collections.unmodifiableList(all);
  }

  /** All services in the order of their hostnames and then of insertion, for display. */
  public List<Service> sortedServices() {
    TreeMap<String, List<Service>> byHostname = new TreeMap<>();
    services.byHostname().forEach(byHostname::put);
    return byHostname.values().stream().flatMap(List::stream).toList();
  }

  /** All policies by key, for display. */
  public SortedMap<String, Authorization> sortedPolicies() {
    TreeMap<String, Authorization> all = new TreeMap<>();
    policies.byKey().forEach(all::put);
    return Collections.unmodifiableSortedMap(all);
  }

  /** The endpoints whose service is not known yet, by the service's key, for display. */
  public SortedMap<String, EndpointSet> stagedServices() {
    TreeMap<String, EndpointSet> all = new TreeMap<>();
    services.staged().forEach((key, endpoints) -> all.put(key.toString(), endpoints));
    return Collections.unmodifiableSortedMap(all);
  }
}
