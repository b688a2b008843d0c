package io.ztunnel.routing;

/**
 * What outbound routing is set to. Immutable.
 *
 * @param network the network of this node ({@code NETWORK})
 * @param hbonePort where node proxies accept tunnels
 */
public record OutboundSettings(String network, int hbonePort, ReservedPorts reservedPorts) {}
