package io.ztunnel.routing;

/**
 * What inbound routing is set to. Immutable.
 *
 * @param network the network of this node ({@code NETWORK})
 * @param tunnelDelivery where applications behind a tunnel with PROXY headers are dialled ({@code
 *     LOCALHOST_APP_TUNNEL})
 */
public record InboundSettings(
    String network, ReservedPorts reservedPorts, TunnelDelivery tunnelDelivery) {
  /** Where an application that gets PROXY headers listens. */
  public enum TunnelDelivery {
    /** On loopback, where nobody else can forge a header. */
    LOOPBACK,
    /** On the workload's address. */
    POD_ADDRESS
  }
}
