package io.ztunnel.metrics;

import io.ztunnel.metrics.MetricFamily.Section;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The gateways of other networks, from the side of who goes through them. Any thread records.
 *
 * <p>A gateway has its series from its first use until it was not used for an hour; so many
 * gateways have series at the same time.
 */
public final class RemoteGatewayMetrics {
  /** Of further ones nothing is recorded. */
  static final int MAX_GATEWAYS = 200;

  static final Duration IDLE = Duration.ofHours(1);

  private static final double NANOS_PER_SECOND = 1e9;

  private final LongSupplier nanoClock;
  private final Function<InetSocketAddress, String> text;
  private final FamilySeries connections;
  private final FamilySeries backends;
  private final FamilySeries roundTrip;
  private final FamilySeries aside;
  private final Map<InetSocketAddress, Gateway> gateways = new ConcurrentHashMap<>();

  /**
   * Declares the families.
   *
   * @param nanoClock a clock like {@link System#nanoTime}
   * @param text how the log and the dump write an address
   */
  public RemoteGatewayMetrics(
      MeshRegistry registry, LongSupplier nanoClock, Function<InetSocketAddress, String> text) {
    this.nanoClock = nanoClock;
    this.text = text;
    connections =
        registry.declare(
            gauge(
                "ztunnel_remote_gateway_inner_connections_open",
                "Connections within tunnels to the gateway of another network (unstable)"));
    backends =
        registry.declare(
            gauge(
                "ztunnel_remote_gateway_backends",
                "Different backends that these connections have reached (unstable)"));
    roundTrip =
        registry.declare(
            new MetricFamily(
                Section.RUNTIME,
                "ztunnel_remote_gateway_round_trip_seconds",
                MetricFamily.Type.GAUGE,
                "How long the gateway took to answer the last PING (unstable)",
                "seconds",
                List.of("network", "gateway")));
    aside =
        registry.declare(
            new MetricFamily(
                Section.RUNTIME,
                "ztunnel_remote_gateway_set_aside_seconds",
                MetricFamily.Type.COUNTER,
                "How long the gateway was set aside because it could not be reached (unstable)",
                "seconds",
                List.of("network", "gateway")));
    registry.beforeScrape(this::expire);
  }

  private static MetricFamily gauge(String name, String help) {
    return MetricFamily.gauge(Section.RUNTIME, name, help, "network", "gateway");
  }

  /** A connection goes through the gateway of this address. */
  public void used(String network, InetSocketAddress gateway) {
    Gateway known = gateways.get(gateway);
    if (known == null && gateways.size() < MAX_GATEWAYS) {
      known = gateways.computeIfAbsent(gateway, address -> new Gateway(network, address));
    }
    if (known != null) {
      known.usedNanos = nanoClock.getAsLong();
    }
  }

  /**
   * A connection within a tunnel to the gateway stands.
   *
   * @param certificate equal to that of other connections to the same backend; several may share it
   * @param workloadUid which of them it has reached; null if that is not known
   */
  public void innerOpened(
      InetSocketAddress gateway, Object certificate, @Nullable String workloadUid) {
    @Nullable Gateway known = gateways.get(gateway);
    if (known != null) {
      known.reached.merge(new Backend(certificate, workloadUid), 1, Integer::sum);
    }
  }

  /** Such a connection is over. It does not count if it was there before the gateway was known. */
  public void innerClosed(
      InetSocketAddress gateway, Object certificate, @Nullable String workloadUid) {
    @Nullable Gateway known = gateways.get(gateway);
    if (known != null) {
      known.reached.computeIfPresent(
          new Backend(certificate, workloadUid), (_, count) -> count == 1 ? null : count - 1);
    }
  }

  /** A peer has answered a PING after so long; it counts if it is a gateway. */
  public void roundTrip(InetSocketAddress peer, long nanos) {
    @Nullable Gateway known = gateways.get(peer);
    if (known != null) {
      known.roundTripped(nanos / NANOS_PER_SECOND);
    }
  }

  /** One pod more sets the gateway aside from now on. */
  public void setAside(InetSocketAddress gateway) {
    @Nullable Gateway known = gateways.get(gateway);
    if (known != null) {
      known.setAside(nanoClock.getAsLong());
    }
  }

  /** One pod less sets the gateway aside. */
  public void isBack(InetSocketAddress gateway) {
    @Nullable Gateway known = gateways.get(gateway);
    if (known != null) {
      known.isBack(nanoClock.getAsLong());
    }
  }

  private void expire() {
    long now = nanoClock.getAsLong();
    gateways
        .values()
        .removeIf(
            gateway -> {
              boolean over = gateway.isIdle(now);
              if (over) {
                gateway.remove();
              }
              return over;
            });
    List.of(connections, backends, roundTrip, aside).forEach(FamilySeries::purge);
  }

  private record Backend(Object certificate, @Nullable String workloadUid) {}

  /** One gateway. Any thread. */
  private final class Gateway {
    private final LabelSet labels;

    /** The open connections to each backend. */
    private final Map<Backend, Integer> reached = new ConcurrentHashMap<>();

    /** Written by whoever uses it, read by scrapes. */
    private volatile long usedNanos;

    /** Written by the loops of its connections; a scrape shows the last. */
    private volatile double roundTripSeconds;

    // Guarded by this object.
    private long asideNanos;
    private long asideSinceNanos;
    private int asideFor;
    private boolean removed;

    Gateway(String network, InetSocketAddress address) {
      labels = connections.labels(network, text.apply(address));
      connections.readGauge(labels, this::open);
      backends.readGauge(labels, this::different);
      aside.readCounter(labels, this::asideSeconds);
    }

    private int open() {
      return reached.values().stream().mapToInt(Integer::intValue).sum();
    }

    /** A connection of which no more is known than its certificate may have reached a known one. */
    private int different() {
      Set<Object> seen = new HashSet<>();
      Set<Object> certificates = new HashSet<>();
      for (Backend backend : reached.keySet()) {
        if (backend.workloadUid() != null) {
          seen.add(backend.workloadUid());
          certificates.add(backend.certificate());
        }
      }
      for (Backend backend : reached.keySet()) {
        if (backend.workloadUid() == null && !certificates.contains(backend.certificate())) {
          seen.add(backend.certificate());
        }
      }
      return seen.size();
    }

    synchronized void roundTripped(double seconds) {
      roundTripSeconds = seconds;
      if (!removed) {
        roundTrip.readGauge(labels, () -> roundTripSeconds); // from the first on
      }
    }

    synchronized void setAside(long now) {
      if (asideFor++ == 0) {
        asideSinceNanos = now;
      }
    }

    synchronized void isBack(long now) {
      if (asideFor > 0 && --asideFor == 0) {
        asideNanos += now - asideSinceNanos;
      }
    }

    private synchronized double asideSeconds() {
      long current = asideFor > 0 ? nanoClock.getAsLong() - asideSinceNanos : 0;
      return (asideNanos + current) / NANOS_PER_SECOND;
    }

    synchronized boolean isIdle(long now) {
      return asideFor == 0 && reached.isEmpty() && now - usedNanos >= IDLE.toNanos();
    }

    synchronized void remove() {
      removed = true;
      List.of(connections, backends, roundTrip, aside).forEach(family -> family.remove(labels));
    }
  }
}
