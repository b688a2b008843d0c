package io.ztunnel.metrics;

import io.ztunnel.metrics.MetricFamily.Section;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The HBONE connections and tunnels that are open, by the end that is ours, the floods that were
 * stopped, and the peers that were not believed any more. Any thread records.
 */
public final class TunnelMetrics {
  /** Which end of a connection is ours. */
  public enum Role {
    CLIENT("client"),
    SERVER("server");

    private final String label;

    Role(String label) {
      this.label = label;
    }

    /** The value of the {@code role} label. */
    public String label() {
      return label;
    }
  }

  private static final class OpenCount {
    final AtomicInteger client = new AtomicInteger();
    final AtomicInteger server = new AtomicInteger();

    OpenCount(FamilySeries family) {
      family.readGauge(family.labels(Role.CLIENT.label), client::get);
      family.readGauge(family.labels(Role.SERVER.label), server::get);
    }

    AtomicInteger of(Role role) {
      return switch (role) {
        case CLIENT -> client;
        case SERVER -> server;
      };
    }
  }

  private final OpenCount connections;
  private final OpenCount tunnels;
  private final FamilySeries floods;
  private final FamilySeries revocations;

  /** Declares the families. */
  public TunnelMetrics(MeshRegistry registry) {
    connections =
        new OpenCount(
            registry.declare(
                MetricFamily.gauge(
                    Section.RUNTIME,
                    "ztunnel_hbone_connections_open",
                    "HBONE connections that are open (unstable)",
                    "role")));
    tunnels =
        new OpenCount(
            registry.declare(
                MetricFamily.gauge(
                    Section.RUNTIME,
                    "ztunnel_tunnels_open",
                    "Tunnels that are open (unstable)",
                    "role")));
    floods =
        registry.declare(
            MetricFamily.counter(
                Section.RUNTIME,
                "ztunnel_hbone_floods_stopped",
                "Connections closed because the peer passed a limit (unstable)",
                "role",
                "limit"));
    revocations =
        registry.declare(
            MetricFamily.counter(
                Section.ISTIO,
                "istio_crl_policy_rejections",
                "The total number of connections refused or closed because the peer's certificate"
                    + " is revoked (unstable).",
                "reporter"));
  }

  /** An HBONE connection finished its handshake. */
  public void connectionOpened(Role role) {
    connections.of(role).incrementAndGet();
  }

  /** An HBONE connection that was opened is closed. */
  public void connectionClosed(Role role) {
    connections.of(role).decrementAndGet();
  }

  /** A tunnel was opened. */
  public void tunnelOpened(Role role) {
    tunnels.of(role).incrementAndGet();
  }

  /** A tunnel that was opened is over. */
  public void tunnelClosed(Role role) {
    tunnels.of(role).decrementAndGet();
  }

  /** A connection was refused or closed because the peer's certificate is revoked. */
  public void peerRevoked(Role role) {
    Reporter reporter =
        switch (role) {
          case CLIENT -> Reporter.SOURCE;
          case SERVER -> Reporter.DESTINATION;
        };
    revocations.counter(revocations.labels(reporter.label())).increment();
  }

  /**
   * A connection was closed because its peer passed a limit.
   *
   * @param limit one of a fixed list of short names
   */
  public void floodStopped(Role role, String limit) {
    floods.counter(floods.labels(role.label, limit)).increment();
  }
}
