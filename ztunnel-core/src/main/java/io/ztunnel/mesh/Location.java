package io.ztunnel.mesh;

/** Where a workload runs; empty names are unknown. Immutable. */
record Location(String network, String node, String clusterId, Locality locality) {
  static final Location UNKNOWN = new Location("", "", "", Locality.UNKNOWN);

  /** The same, sharing its parts with others. */
  Location shared(Interner interner) {
    return new Location(network, node, clusterId, interner.intern(locality));
  }
}
