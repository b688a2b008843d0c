package io.ztunnel.mesh;

/** What becomes of a workload as an endpoint of a service. Immutable. */
record EndpointChange(Workload workload, Kind kind) {
  enum Kind {
    /** It is one, in place of one with the same uid. */
    PRESENT,
    /** The one with this uid is none any more. */
    GONE
  }
}
