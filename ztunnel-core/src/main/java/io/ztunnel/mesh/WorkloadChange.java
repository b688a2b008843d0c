package io.ztunnel.mesh;

/** What became of one workload in an update. Immutable. */
public sealed interface WorkloadChange {
  /** It is new. */
  record Added(Workload workload) implements WorkloadChange {}

  /** Something about it is different. */
  record Replaced(Workload before, Workload after) implements WorkloadChange {}

  /**
   * It is gone.
   *
   * @param identity whether its namespace and service account are still used on this node
   */
  record Removed(Workload workload, IdentityUse identity) implements WorkloadChange {}

  /** What the removal of a workload means for the certificate of its identity. */
  enum IdentityUse {
    /** It was not a workload of this node. */
    NOT_LOCAL,
    /** Others of this node have the same namespace and service account. */
    STILL_USED,
    /** It was the last of this node. */
    UNUSED
  }
}
