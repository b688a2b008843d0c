package io.ztunnel.mesh;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Changes to the mesh that become visible together. Endpoints follow their workloads and are put
 * into their services once, at the end. Confined to the control thread, and used up when the update
 * ends.
 */
public final class MeshUpdate {
  private static final Logger LOG = LoggerFactory.getLogger("ztunnel::xds");

  private final MeshView before;
  private final @Nullable String localNode;
  private final Set<Touched> touchedWorkloads = new LinkedHashSet<>();
  private final Set<String> touchedPolicies = new LinkedHashSet<>();

  private final List<WorkloadChange> changes = new ArrayList<>();

  /** What becomes of the endpoints of each service, in order. */
  private final Map<NamespacedHostname, List<EndpointChange>> endpoints = new LinkedHashMap<>();

  private WorkloadIndex.Editor workloads;
  private ServiceIndex.Editor services;
  private PolicyIndex.Editor policies;

  /**
   * A workload that this step has inserted or removed; equal to others of the same uid.
   *
   * @param before what was there before the step
   */
  private record Touched(Workload workload, @Nullable Workload before) {
    @Override
    public boolean equals(@Nullable Object other) {
      return other instanceof Touched that && workload.hasUidOf(that.workload);
    }

    @Override
    public int hashCode() {
      return workload.uidHash();
    }
  }

  MeshUpdate(MeshView before, @Nullable String localNode) {
    this.before = before;
    this.localNode = localNode;
    workloads = new WorkloadIndex.Editor(before.workloads(), localNode);
    services = new ServiceIndex.Editor(before.services());
    policies = new PolicyIndex.Editor(before.policies());
  }

  /** Tells how many workloads are about to come: room for them is taken at once, if all are new. */
  void expect(int count) {
    workloads.expect(count);
  }

  /**
   * Adds a workload in place of one with the same uid, and its endpoints in place of that one's. An
   * equal one stays as it is.
   */
  public void insertWorkload(Workload workload) {
    Workload old = workloads.get(workload);
    if (old != null) {
      if (workloads.isSettled(old) && old.equals(workload)) {
        return;
      }
      for (NamespacedHostname key : old.services()) {
        if (!workload.services().contains(key)) {
          change(key, new EndpointChange(old, EndpointChange.Kind.GONE));
        }
      }
    }
    workloads.insert(workload, old);
    touchedWorkloads.add(new Touched(workload, old));
    EndpointChange present = new EndpointChange(workload, EndpointChange.Kind.PRESENT);
    for (NamespacedHostname key : workload.services()) {
      change(key, present);
    }
  }

  /** Removes a workload and its endpoints; false when there is none of this uid. */
  public boolean removeWorkload(String uid) {
    Workload workload = workloads.remove(uid);
    if (workload == null) {
      return false;
    }
    touchedWorkloads.add(new Touched(workload, workload));
    EndpointChange gone = new EndpointChange(workload, EndpointChange.Kind.GONE);
    for (NamespacedHostname key : workload.services()) {
      change(key, gone);
    }
    return true;
  }

  /** Adds a service in place of one with the same key, whose endpoints it keeps. */
  public void insertService(Service service) {
    if (!service.peers().allValid()) {
      LOG.warn(
          "service {}: subject alternative names that are no identities are ignored: {}",
          service.key(),
          service.subjectAltNames());
    }
    services.insert(service);
  }

  /** Removes a service; false when there is none of this key. Workloads stay. */
  public boolean removeService(NamespacedHostname key) {
    return services.remove(key) != null;
  }

  /** Adds a workload or a service. */
  public void insert(Addressable resource) {
    switch (resource) {
      case Workload workload -> insertWorkload(workload);
      case Service service -> insertService(service);
    }
  }

  /**
   * Removes the workload or the service that a name of the control plane stands for (Istio): a uid,
   * or else {@code namespace/hostname}. A name with two slashes is the uid of a workload that is
   * not known.
   */
  public void remove(String name) {
    if (removeWorkload(name)) {
      return;
    }
    NamespacedHostname key = NamespacedHostname.parse(name);
    if (key == null) {
      LOG.warn("removed resource {}: neither a uid that is known nor namespace/hostname", name);
    } else if (key.hostname().indexOf('/') < 0 && !removeService(key)) {
      LOG.warn("removed resource {}: there is no such workload or service", name);
    }
  }

  /** Adds a policy in place of one with the same key. */
  public void insertPolicy(String key, Authorization policy) {
    touchedPolicies.add(key);
    policies.insert(key, policy);
  }

  /** Removes a policy, if there is one of this key. */
  public void removePolicy(String key) {
    touchedPolicies.add(key);
    policies.remove(key);
  }

  /** Removes everything, endpoints without a service included. */
  public void clear() {
    touchedWorkloads.clear();
    before.workloads().forEach(workload -> touchedWorkloads.add(new Touched(workload, workload)));
    before.policies().byKey().forEach((key, _) -> touchedPolicies.add(key));
    endpoints.clear();
    changes.clear();
    workloads = new WorkloadIndex.Editor(WorkloadIndex.empty(), localNode);
    services = new ServiceIndex.Editor(ServiceIndex.empty());
    policies = new PolicyIndex.Editor(PolicyIndex.empty());
  }

  /** Ends a step: what is done here needs not be done at the end. */
  void endStep() {
    for (Touched touched : touchedWorkloads) {
      WorkloadChange change = compare(touched.before(), workloads.get(touched.workload()));
      if (change != null) {
        changes.add(change);
      }
    }
    touchedWorkloads.clear();
  }

  /**
   * Puts endpoints into some of their services, which else is done at the end.
   *
   * @param most limit of the endpoints, but one service at least
   * @return whether there was anything left to do
   */
  boolean settle(int most) {
    boolean any = !endpoints.isEmpty();
    int count = 0;
    var rest = endpoints.entrySet().iterator();
    while (rest.hasNext() && count < most) {
      Map.Entry<NamespacedHostname, List<EndpointChange>> next = rest.next();
      services.apply(next.getKey(), next.getValue());
      count += next.getValue().size();
      rest.remove();
    }
    return any;
  }

  MeshChange finish() {
    endStep();
    boolean _ = settle(Integer.MAX_VALUE);
    MeshView after = new MeshView(workloads.index(), services.index(), policies.index());
    boolean policiesChanged =
        touchedPolicies.stream()
            .anyMatch(
                key ->
                    !Optional.ofNullable(before.policy(key))
                        .equals(Optional.ofNullable(after.policy(key))));
    return new MeshChange(before, after, changes, policiesChanged);
  }

  private @Nullable WorkloadChange compare(@Nullable Workload old, @Nullable Workload now) {
    if (old == null) {
      return now == null ? null : new WorkloadChange.Added(now);
    }
    if (now == null) {
      return new WorkloadChange.Removed(old, identityUse(old));
    }
    return now.equals(old) ? null : new WorkloadChange.Replaced(old, now, identityUse(old));
  }

  private WorkloadChange.IdentityUse identityUse(Workload former) {
    if (!workloads.isLocal(former)) {
      return WorkloadChange.IdentityUse.NOT_LOCAL;
    }
    return workloads.hasLocalIdentity(former)
        ? WorkloadChange.IdentityUse.STILL_USED
        : WorkloadChange.IdentityUse.UNUSED;
  }

  private void change(NamespacedHostname key, EndpointChange change) {
    endpoints.computeIfAbsent(key, _ -> new ArrayList<>()).add(change);
  }
}
