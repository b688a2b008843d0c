package io.ztunnel.routing;

/**
 * What a gateway's decisions depend on besides the mesh. Immutable.
 *
 * @param network the network that it is the way into; it leads nowhere else
 * @param hbonePort where endpoints take tunnels
 */
public record GatewaySettings(String network, int hbonePort, Exports exports) {}
