package io.ztunnel.routing;

/** How much something is to be chosen: a lower one only when there is none above. */
enum Tier {
  USABLE(EndpointFate.USABLE),
  /** It failed lately. */
  ASIDE(EndpointFate.SET_ASIDE),
  /** It failed for the very connection that is to be made. */
  FAILED(EndpointFate.FAILED_ALREADY),
  /** It is in another network, and no gateway into that is known. */
  NO_WAY(EndpointFate.NO_GATEWAY);

  private final EndpointFate fate;

  Tier(EndpointFate fate) {
    this.fate = fate;
  }

  /** How it is told. */
  EndpointFate fate() {
    return fate;
  }

  Tier orWorse(Tier other) {
    return compareTo(other) >= 0 ? this : other;
  }

  Tier orBetter(Tier other) {
    return compareTo(other) <= 0 ? this : other;
  }
}
