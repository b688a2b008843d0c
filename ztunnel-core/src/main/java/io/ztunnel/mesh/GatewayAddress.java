package io.ztunnel.mesh;

import org.jspecify.annotations.Nullable;

/**
 * Where a waypoint or a network gateway is found. Immutable.
 *
 * @param hboneMtlsPort its port for tunnels
 */
public record GatewayAddress(Destination destination, int hboneMtlsPort) {
  public GatewayAddress {
    Ports.checked("hboneMtlsPort", hboneMtlsPort);
  }

  /** Names the gateway; prints as {@code network/ip} or {@code namespace/hostname}. */
  public sealed interface Destination permits NetworkAddress, NamespacedHostname {
    /** Reads {@code network/ip} or else {@code namespace/hostname}; null without a slash. */
    static @Nullable Destination parse(String text) {
      NetworkAddress address = NetworkAddress.parse(text);
      return address != null ? address : NamespacedHostname.parse(text);
    }
  }
}
