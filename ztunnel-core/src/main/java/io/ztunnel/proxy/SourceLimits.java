package io.ztunnel.proxy;

import io.netty.util.NetUtil;
import io.ztunnel.hbone.TlsPeer;
import io.ztunnel.telemetry.ConnectionFailure;
import java.net.InetSocketAddress;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * What each source has of a gateway, and how much it may have: so one of them cannot take all of
 * the descriptors and memory that the others need. A source is a client identity or, of TLS that is
 * passed on, an address. Thread-safe; only sources that have something are kept.
 */
public final class SourceLimits {
  /** What one source has open. Immutable. */
  private record Use(int connections, int tunnels) {
    static final Use NONE = new Use(0, 0);

    @Nullable Use orNull() {
      return connections == 0 && tunnels == 0 ? null : this;
    }
  }

  private final int maxConnections;
  private final int maxTunnels;
  private final Map<String, Use> uses = new ConcurrentHashMap<>();

  /** So much for each source. */
  public SourceLimits(int maxConnections, int maxTunnels) {
    this.maxConnections = maxConnections;
    this.maxTunnels = maxTunnels;
  }

  /** What a peer is counted by: its identity, or else what its certificate says it is. */
  static String source(TlsPeer peer) {
    return peer.identity().map(Object::toString).orElseGet(() -> String.join(",", peer.uriSans()));
  }

  /** What a client is counted by that has not said who it is: its address. */
  static String source(InetSocketAddress client) {
    return NetUtil.toAddressString(client.getAddress());
  }

  /** What became of a connection that was not counted. */
  ConnectionFailure tooManyConnections(String source) {
    return new ConnectionFailure.SourceLimitReached(
        ConnectionFailure.SourceLimit.CONNECTIONS, source, maxConnections);
  }

  /** What became of a tunnel that was not counted. */
  ConnectionFailure tooManyTunnels(String source) {
    return new ConnectionFailure.SourceLimitReached(
        ConnectionFailure.SourceLimit.TUNNELS, source, maxTunnels);
  }

  /** The connections and tunnels that a source has. */
  int open(String source) {
    Use use = uses.get(source);
    return use == null ? 0 : use.connections + use.tunnels;
  }

  /** What would become of a tunnel of this source now, if it has too many; else null. */
  public @Nullable ConnectionFailure refusal(String source) {
    Use use = uses.get(source);
    return use == null || use.tunnels < maxTunnels ? null : tooManyTunnels(source);
  }

  /** Counts a connection; false, and nothing is counted, if there are too many. */
  boolean openConnection(String source) {
    boolean[] fits = new boolean[1];
    uses.compute(
        source,
        (_, use) -> {
          Use now = use == null ? Use.NONE : use;
          fits[0] = now.connections < maxConnections;
          return (fits[0] ? new Use(now.connections + 1, now.tunnels) : now).orNull();
        });
    return fits[0];
  }

  /** A connection that was counted is closed. */
  void closeConnection(String source) {
    uses.computeIfPresent(source, (_, use) -> new Use(use.connections - 1, use.tunnels).orNull());
  }

  /** Counts a tunnel; false, and nothing is counted, if there are too many. */
  boolean openTunnel(String source) {
    boolean[] fits = new boolean[1];
    uses.compute(
        source,
        (_, use) -> {
          Use now = use == null ? Use.NONE : use;
          fits[0] = now.tunnels < maxTunnels;
          return (fits[0] ? new Use(now.connections, now.tunnels + 1) : now).orNull();
        });
    return fits[0];
  }

  /** A tunnel that was counted is over. */
  void closeTunnel(String source) {
    uses.computeIfPresent(source, (_, use) -> new Use(use.connections, use.tunnels - 1).orNull());
  }

  /** The sources that have something. */
  public int sources() {
    return uses.size();
  }
}
