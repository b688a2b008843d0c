package io.ztunnel.routing;

/**
 * What outbound routing is set to. Immutable.
 *
 * @param network the network of this node ({@code NETWORK})
 * @param hbonePort where node proxies accept tunnels
 * @param aliases of the trust domain
 */
public record OutboundSettings(
    String network, int hbonePort, ReservedPorts reservedPorts, TrustDomainAliases aliases) {
  /** Without aliases. */
  public OutboundSettings(String network, int hbonePort, ReservedPorts reservedPorts) {
    this(network, hbonePort, reservedPorts, TrustDomainAliases.NONE);
  }
}
