package io.ztunnel.mesh;

import java.util.List;

/**
 * Who has an address: a workload stands for the only address it has, if nobody else has that too
 * and it is of IPv4, which is how nearly all pods are.
 */
sealed interface Resident permits Workload, Resident.Several {
  /** Any other case. In order of insertion. Immutable. */
  record Several(NetworkAddress address, List<Workload> workloads) implements Resident {
    public Several {
      workloads = List.copyOf(workloads);
    }
  }
}
