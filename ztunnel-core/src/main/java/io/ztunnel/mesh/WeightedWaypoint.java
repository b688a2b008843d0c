package io.ztunnel.mesh;

/**
 * One of several waypoints that share a service's connections. Immutable.
 *
 * @param weight its share relative to the others; 0: never chosen
 */
public record WeightedWaypoint(GatewayAddress destination, long weight) {
  static final long MAX_WEIGHT = 0xffff_ffffL;

  public WeightedWaypoint {
    if (weight < 0 || weight > MAX_WEIGHT) {
      throw new IllegalArgumentException("weight: " + weight + " (expected: 0-4294967295)");
    }
  }
}
