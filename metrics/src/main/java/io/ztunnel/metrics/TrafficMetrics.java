package io.ztunnel.metrics;

import io.ztunnel.metrics.MetricFamily.Section;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongSupplier;
import java.util.function.Predicate;

/**
 * The families about user traffic: {@code istio_tcp_*}, sockets, on-demand DNS, and why connections
 * failed. Any thread records; the lock is taken only when there are too many label sets.
 */
public final class TrafficMetrics {
  /** A sweep passes over all label sets; it is worth it once this part of them was refused. */
  private static final int SWEEP_SHARE = 16;

  /** Lookups beyond so many sources and host names are counted without names. */
  private static final int MAX_HOSTNAMES = 5_000;

  /** Who had which host name looked up. Immutable. */
  private record Lookup(TrafficLabels.Peer source, String hostname) {
    static final Lookup UNNAMED = new Lookup(TrafficLabels.Peer.UNKNOWN, "");

    List<String> values() {
      List<String> values = new ArrayList<>();
      source.addTo(values);
      values.add(hostname);
      return values;
    }
  }

  final FamilySeries opened;
  final FamilySeries closed;
  final FamilySeries failed;
  final FamilySeries received;
  final FamilySeries sent;
  private final FamilySeries onDemandDns;
  private final RecentLabels<Lookup> lookups;
  private final FamilySeries failures;
  private final FamilySeries refused;
  private final SeriesBounds bounds;
  private final LongSupplier nanoTime;
  private final Runnable onOverflow;
  private final AtomicBoolean overflowTold = new AtomicBoolean();
  private final Map<TrafficLabels, TrafficSeries> series = new ConcurrentHashMap<>();
  // Among the others, so that no labels have two series, and never taken out.
  private final Map<Reporter, TrafficSeries> unnamed = new EnumMap<>(Reporter.class);
  private final Object sweeping = new Object();
  private int refusedUntilSweep; // guarded by sweeping
  private final OpenSockets sourceSockets;
  private final OpenSockets destinationSockets;
  private final OpenSockets gatewaySockets;

  /**
   * Declares the families; once per registry.
   *
   * @param nanoTime a clock as {@code System.nanoTime}
   * @param onOverflow is told once when there are more label sets than the bound; by any thread
   */
  public TrafficMetrics(
      MeshRegistry registry, SeriesBounds bounds, LongSupplier nanoTime, Runnable onOverflow) {
    this.bounds = bounds;
    this.nanoTime = nanoTime;
    this.onOverflow = onOverflow;
    opened = declare(registry, "connections_opened", "The total number of TCP connections opened.");
    closed = declare(registry, "connections_closed", "The total number of TCP connections closed.");
    failed =
        declare(
            registry,
            "connections_failed",
            "The total number of TCP connections that failed (unstable).");
    received =
        declare(
            registry,
            "received_bytes",
            "The size of total bytes received during request in case of a TCP connection.");
    sent =
        declare(
            registry,
            "sent_bytes",
            "The size of total bytes sent during response in case of a TCP connection.");
    FamilySeries open =
        registry.declare(
            MetricFamily.gauge(
                Section.ISTIO,
                "istio_tcp_sockets_open",
                "The current number of open TCP sockets (unstable).",
                "reporter"));
    sourceSockets = new OpenSockets(open, Reporter.SOURCE);
    destinationSockets = new OpenSockets(open, Reporter.DESTINATION);
    gatewaySockets = new OpenSockets(open, Reporter.GATEWAY);
    onDemandDns =
        registry.declare(
            MetricFamily.counter(
                Section.ISTIO,
                "istio_on_demand_dns",
                "The total number of requests that used on-demand DNS (unstable).",
                "source_workload",
                "source_canonical_service",
                "source_canonical_revision",
                "source_workload_namespace",
                "source_principal",
                "source_app",
                "source_version",
                "source_cluster",
                "hostname"));
    lookups =
        new RecentLabels<>(
            registry,
            new SeriesBounds(MAX_HOSTNAMES, bounds.idle()),
            nanoTime,
            lookup -> new LabelSet(onDemandDns.family().labels(), lookup.values()),
            _ -> Lookup.UNNAMED,
            List.of(onDemandDns));
    failures =
        registry.declare(
            MetricFamily.counter(
                Section.RUNTIME,
                "ztunnel_connection_failures",
                "Failed and refused connections by what caused it (unstable)",
                "reporter",
                "reason"));
    refused =
        registry.declare(
            MetricFamily.counter(
                Section.RUNTIME,
                "ztunnel_metric_label_sets_refused",
                "Connections counted without names because there were too many label sets (unstable)"));
    for (Reporter reporter : Reporter.values()) {
      TrafficLabels labels = TrafficLabels.overflow(reporter);
      TrafficSeries one = new TrafficSeries(this, labels);
      unnamed.put(reporter, one);
      series.put(labels, one);
    }
    if (!bounds.idle().isZero()) {
      registry.beforeScrape(this::expire);
    }
  }

  long nanoTime() {
    return nanoTime.getAsLong();
  }

  private static FamilySeries declare(MeshRegistry registry, String name, String help) {
    return registry.declare(
        new MetricFamily(
            Section.ISTIO,
            "istio_tcp_" + name,
            MetricFamily.Type.COUNTER,
            help,
            "",
            TrafficLabels.NAMES));
  }

  /** The series of these labels. A connection asks once and keeps the answer. */
  public TrafficSeries series(TrafficLabels labels) {
    TrafficSeries known = series.computeIfPresent(labels, (_, one) -> touched(one));
    if (known != null) {
      return known;
    }
    // The size may be passed by a few when threads race; it is a bound on memory, not a count.
    return hasRoom()
        ? series.compute(
            labels, (l, one) -> touched(one == null ? new TrafficSeries(this, l) : one))
        : unnamed(labels.reporter());
  }

  /** Within the map's own exclusion of the key, so that no sweep takes it out in between. */
  private static TrafficSeries touched(TrafficSeries one) {
    one.touch();
    return one;
  }

  private TrafficSeries unnamed(Reporter reporter) {
    refused.counter(LabelSet.NONE).increment();
    if (overflowTold.compareAndSet(false, true)) {
      onOverflow.run();
    }
    return Objects.requireNonNull(unnamed.get(reporter));
  }

  private boolean hasRoom() {
    if (!isFull()) {
      return true;
    }
    synchronized (sweeping) {
      if (refusedUntilSweep-- <= 0) {
        sweep();
      }
    }
    return !isFull();
  }

  private boolean isFull() {
    return series.size() - unnamed.size() >= bounds.maxLabelSets();
  }

  private void sweep() {
    refusedUntilSweep = bounds.maxLabelSets() / SWEEP_SHARE;
    remove(TrafficSeries::isQuiet);
  }

  /** Takes out what has not been used for long; it starts again at zero if it comes back. */
  private void expire() {
    long now = nanoTime();
    long idle = bounds.idle().toNanos();
    synchronized (sweeping) {
      remove(one -> one.hasExpired(now, idle));
    }
  }

  private void remove(Predicate<TrafficSeries> condition) {
    boolean any = false;
    for (TrafficLabels labels : series.keySet()) {
      // Looked at and taken out in one step: nobody gets a series that is on its way out.
      any |=
          null
              == series.computeIfPresent(
                  labels,
                  (_, one) -> {
                    if (unnamed.containsValue(one) || !condition.test(one)) {
                      return one;
                    }
                    one.remove();
                    return null;
                  });
    }
    if (any) {
      families().forEach(FamilySeries::purge);
    }
  }

  /** Takes a label set out of all families that have these labels. */
  void remove(LabelSet labels) {
    families().forEach(family -> family.remove(labels));
  }

  private List<FamilySeries> families() {
    return List.of(opened, closed, failed, received, sent);
  }

  /** The sockets of one side. */
  public OpenSockets sockets(Reporter reporter) {
    return switch (reporter) {
      case SOURCE -> sourceSockets;
      case DESTINATION -> destinationSockets;
      case GATEWAY -> gatewaySockets;
    };
  }

  /** A workload that is known only by its host name was looked up for this source. */
  public void onDemandDns(TrafficLabels.Peer source, String hostname) {
    lookups.count(new Lookup(source, hostname), set -> onDemandDns.counter(set).increment());
  }

  /**
   * A connection failed or was refused.
   *
   * @param reason one of a fixed list of short names in snake case
   */
  public void connectionFailed(Reporter reporter, String reason) {
    failures.counter(failures.labels(reporter.label(), reason)).increment();
  }

  /** The number of open sockets of one side; appears in the output with the first socket. */
  public static final class OpenSockets {
    private final FamilySeries family;
    private final LabelSet labels;
    private final AtomicInteger open = new AtomicInteger();

    private OpenSockets(FamilySeries family, Reporter reporter) {
      this.family = family;
      this.labels = family.labels(reporter.label());
    }

    /** A socket was accepted. */
    public void opened() {
      open.incrementAndGet();
      family.readGauge(labels, open::get);
    }

    /** The handling of an accepted socket is over. */
    public void closed() {
      int left = open.decrementAndGet();
      if (left < 0) {
        throw new IllegalStateException("sockets closed: more than were opened");
      }
    }
  }
}
