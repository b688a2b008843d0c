package io.ztunnel.mesh;

/** Where a workload runs; empty names are unknown. Immutable. */
public record Location(String network, String node, String clusterId, Locality locality) {
  public static final Location UNKNOWN = new Location("", "", "", Locality.UNKNOWN);
}
