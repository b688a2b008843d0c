package io.ztunnel.routing;

/** What became of an endpoint when one was chosen. */
public enum EndpointFate {
  USABLE("can be used"),
  SET_ASIDE("avoided: it failed lately"),
  APPLICATION_SET_ASIDE("avoided: what is asked for there failed lately"),
  FAILED_ALREADY("avoided: it failed for this connection"),
  GATEWAYS_AVOIDED("avoided: all its gateways failed lately, or for this connection"),
  NO_GATEWAY("avoided: no gateway into its network is known"),
  WORKLOAD_UNKNOWN("dropped: its workload is not known"),
  UNREACHABLE("dropped: no address, no host name, no gateway"),
  ELSEWHERE("dropped: it is not in this network, or has no address"),
  NO_TUNNELS("dropped: it takes no tunnels"),
  PORT_NOT_SERVED("dropped: it does not serve the port"),
  TOO_FAR("dropped: it does not meet all preferences of a Strict service"),
  NO_CAPACITY("dropped: its capacity is 0");

  private final String text;

  EndpointFate(String text) {
    this.text = text;
  }

  /** For people. */
  public String text() {
    return text;
  }
}
