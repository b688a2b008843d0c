package io.ztunnel.proxy;

import java.net.InetSocketAddress;

/**
 * One live connection, as {@code /config_dump} shows it. Immutable.
 *
 * @param direction inbound or outbound
 * @param source the downstream's address
 * @param originalDestination where the application was going; for inbound the destination service's
 *     host name, or empty
 * @param actualDestination where the bytes go
 * @param protocol TCP, HBONE, DOUBLEHBONE, TLS (through a gateway), or empty until it is decided
 */
public record ConnectionSummary(
    Direction direction,
    InetSocketAddress source,
    String originalDestination,
    InetSocketAddress actualDestination,
    String protocol) {
  /** Whether it is decided where the bytes go, and how. */
  public boolean isRouted() {
    return !protocol.isEmpty();
  }

  /** Which way, seen from the workload. */
  public enum Direction {
    INBOUND,
    OUTBOUND
  }
}
