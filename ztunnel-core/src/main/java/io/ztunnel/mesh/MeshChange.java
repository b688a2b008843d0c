package io.ztunnel.mesh;

import java.util.List;

/**
 * One update as a whole, after it has become visible. Immutable.
 *
 * @param workloads those that are not as before, each once, unless the control plane has changed it
 *     twice in one large response
 * @param policies whether any policy is not as before
 */
public record MeshChange(
    MeshView before, MeshView after, List<WorkloadChange> workloads, boolean policies) {
  public MeshChange {
    workloads = List.copyOf(workloads);
  }
}
