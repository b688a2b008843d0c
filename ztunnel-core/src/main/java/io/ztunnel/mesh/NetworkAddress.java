package io.ztunnel.mesh;

import java.net.InetAddress;
import org.jspecify.annotations.Nullable;

/**
 * An IP address within a network: clusters of different networks may use the same addresses.
 * Immutable.
 *
 * @param network the network's name; empty is a network too
 */
public record NetworkAddress(String network, InetAddress ip) implements GatewayAddress.Destination {
  /** Reads {@code network/ip}; null for anything else. */
  public static @Nullable NetworkAddress parse(String text) {
    int slash = text.indexOf('/');
    InetAddress ip = slash < 0 ? null : IpText.parse(text.substring(slash + 1));
    return ip == null ? null : new NetworkAddress(text.substring(0, slash), ip);
  }

  @Override
  public String toString() {
    return network + "/" + IpText.of(ip);
  }
}
