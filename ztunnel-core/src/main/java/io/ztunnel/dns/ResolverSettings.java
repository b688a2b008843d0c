package io.ztunnel.dns;

import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;

/**
 * The name servers that are asked for what is not of the mesh, and how (resolv.conf(5)). Immutable.
 *
 * @param servers at least one; those behind the eighth are not asked
 * @param timeout for one server's answer
 * @param attempts how often silent servers are asked
 * @param edns whether they are told that we take datagrams of more than 512 bytes
 */
public record ResolverSettings(
    List<InetSocketAddress> servers, Duration timeout, int attempts, boolean edns) {
  private static final int MAX_SERVERS = 8;

  public ResolverSettings {
    servers = List.copyOf(servers.subList(0, Math.min(MAX_SERVERS, servers.size())));
    if (servers.isEmpty()) {
      throw new IllegalArgumentException("name servers: none (expected: at least one)");
    }
    if (!timeout.isPositive() || attempts < 1) {
      throw new IllegalArgumentException(
          "timeout: %s, attempts: %d (expected: both above zero)".formatted(timeout, attempts));
    }
  }
}
