package io.ztunnel.metrics;

import io.ztunnel.metrics.MetricFamily.Section;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The families about user traffic: {@code istio_tcp_*}, sockets, on-demand DNS, and why connections
 * failed. Any thread records; the lock is taken only when there are too many label sets.
 */
public final class TrafficMetrics {
  /**
   * The most label sets kept, about 4 KiB each. Pods come and go for the life of a node, and each
   * leaves its names in the labels. Beyond this number the ones that rest are taken out; while
   * there are none, connections are counted without names.
   */
  static final int DEFAULT_MAX_LABEL_SETS = 5_000;

  /** A sweep passes over all label sets; it is worth it once this part of them was refused. */
  private static final int SWEEP_SHARE = 16;

  private static final int MAX_HOSTNAMES = 5_000;

  final FamilySeries opened;
  final FamilySeries closed;
  final FamilySeries failed;
  final FamilySeries received;
  final FamilySeries sent;
  private final FamilySeries onDemandDns;
  private final FamilySeries failures;
  private final int maxLabelSets;
  private final Map<TrafficLabels, TrafficSeries> series = new ConcurrentHashMap<>();
  private final TrafficSeries unnamedSource =
      new TrafficSeries(this, TrafficLabels.overflow(Reporter.SOURCE));
  private final TrafficSeries unnamedDestination =
      new TrafficSeries(this, TrafficLabels.overflow(Reporter.DESTINATION));
  private final Object sweeping = new Object();
  private int refusedUntilSweep; // guarded by sweeping
  private final OpenSockets sourceSockets;
  private final OpenSockets destinationSockets;

  /** Declares the families; once per registry. */
  public TrafficMetrics(MeshRegistry registry) {
    this(registry, DEFAULT_MAX_LABEL_SETS);
  }

  TrafficMetrics(MeshRegistry registry, int maxLabelSets) {
    this.maxLabelSets = maxLabelSets;
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
    onDemandDns =
        registry.declare(
            MetricFamily.counter(
                Section.ISTIO,
                "istio_on_demand_dns",
                "The total number of lookups of workloads known only by host name (unstable).",
                "source_workload",
                "source_canonical_service",
                "source_canonical_revision",
                "source_workload_namespace",
                "source_principal",
                "source_app",
                "source_version",
                "source_cluster",
                "hostname"));
    failures =
        registry.declare(
            MetricFamily.counter(
                Section.RUNTIME,
                "ztunnel_connection_failures",
                "Failed and refused connections by what caused it (unstable)",
                "reporter",
                "reason"));
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
    TrafficSeries known = series.get(labels);
    if (known == null) {
      // The size may be passed by a few when threads race; it is a bound on memory, not a count.
      known =
          hasRoom()
              ? series.computeIfAbsent(labels, l -> new TrafficSeries(this, l))
              : unnamed(labels.reporter());
    }
    known.touch();
    return known;
  }

  private TrafficSeries unnamed(Reporter reporter) {
    return switch (reporter) {
      case SOURCE -> unnamedSource;
      case DESTINATION -> unnamedDestination;
    };
  }

  private boolean hasRoom() {
    if (series.size() < maxLabelSets) {
      return true;
    }
    synchronized (sweeping) {
      if (refusedUntilSweep-- <= 0) {
        sweep();
      }
    }
    return series.size() < maxLabelSets;
  }

  private void sweep() {
    refusedUntilSweep = maxLabelSets / SWEEP_SHARE;
    var gone = new HashSet<LabelSet>();
    series
        .values()
        .removeIf(
            one -> {
              boolean quiet = one.isQuiet();
              if (quiet) {
                one.addLabelSetsTo(gone);
              }
              return quiet;
            });
    for (FamilySeries family : List.of(opened, closed, failed, received, sent)) {
      family.remove(gone);
    }
  }

  /** The sockets of one side. */
  public OpenSockets sockets(Reporter reporter) {
    return switch (reporter) {
      case SOURCE -> sourceSockets;
      case DESTINATION -> destinationSockets;
    };
  }

  /** A workload that is known only by its host name was looked up for this source. */
  public void onDemandDns(TrafficLabels.Peer source, String hostname) {
    var values = new ArrayList<String>();
    source.addTo(values);
    values.add(onDemandDns.size() < MAX_HOSTNAMES ? hostname : "");
    onDemandDns.counter(new LabelSet(onDemandDns.family().labels(), values)).increment();
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

    /** How many are open now. */
    public int count() {
      return open.get();
    }
  }
}
