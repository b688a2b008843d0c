package io.ztunnel.mesh;

/** What became of one workload in an update. Immutable. */
public sealed interface WorkloadChange {
  /** It is new. */
  record Added(Workload workload) implements WorkloadChange {}

  /**
   * Something about it is different.
   *
   * @param identity whether the namespace and service account that it had are still used on this
   *     node
   */
  record Replaced(Workload before, Workload after, IdentityUse identity)
      implements WorkloadChange {}

  /**
   * It is gone.
   *
   * @param identity whether its namespace and service account are still used on this node
   */
  record Removed(Workload workload, IdentityUse identity) implements WorkloadChange {}

  /** What the end or change of a workload means for the certificate of the identity it had. */
  enum IdentityUse {
    /** It was not a workload of this node. */
    NOT_LOCAL,
    /** Others of this node have the same namespace and service account. */
    STILL_USED,
    /** It was the last of this node that had them. */
    UNUSED
  }
}
