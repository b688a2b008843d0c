package io.ztunnel.metrics;

import io.ztunnel.metrics.MetricFamily.Section;
import java.time.Duration;
import java.util.List;
import java.util.function.LongSupplier;

/** {@code istio_dns_*}: the questions that pods asked. Any thread records. */
public final class DnsMetrics {
  private static final List<String> BUCKETS =
      List.of("0.0005", "0.001", "0.01", "0.1", "1.0", "5.0");

  /** More than there are workloads on a node, times the types that they ask for. */
  private static final int MAX_LABEL_SETS = 5_000;

  /**
   * Who asked for what, and how. Immutable.
   *
   * @param queryType of a fixed list, in lower case
   * @param protocol {@code udp} or {@code tcp}
   * @param canonicalService empty if the source is not known
   * @param canonicalRevision empty if it is not known
   */
  public record Labels(
      String queryType, String protocol, String canonicalService, String canonicalRevision) {
    private Labels unnamed() {
      return new Labels(queryType, protocol, "", "");
    }

    private LabelSet set() {
      return new LabelSet(
          names(), List.of(queryType, protocol, canonicalService, canonicalRevision));
    }
  }

  private final FamilySeries requests;
  private final FamilySeries upstreamRequests;
  private final FamilySeries upstreamFailures;
  private final FamilySeries upstreamSeconds;
  private final RecentLabels<Labels> recent;

  /**
   * Declares the families; once per registry.
   *
   * @param idle how long series stay after their last use; zero: as long as there is room
   * @param nanoTime a clock as {@code System.nanoTime}
   */
  public DnsMetrics(MeshRegistry registry, Duration idle, LongSupplier nanoTime) {
    requests = counter(registry, "requests", "Total number of DNS requests (unstable).");
    upstreamRequests =
        counter(
            registry,
            "upstream_requests",
            "Total number of DNS requests forwarded to upstream (unstable).");
    upstreamFailures =
        counter(
            registry,
            "upstream_failures",
            "Total number of DNS requests forwarded to upstream that failed (unstable).");
    upstreamSeconds =
        registry.declare(
            new MetricFamily(
                Section.ISTIO,
                "istio_dns_upstream_request_duration_seconds",
                MetricFamily.Type.HISTOGRAM,
                "Total time in seconds Istio takes to get DNS response from upstream (unstable).",
                "seconds",
                names()));
    recent =
        new RecentLabels<>(
            registry,
            new SeriesBounds(MAX_LABEL_SETS, idle),
            nanoTime,
            Labels::set,
            Labels::unnamed,
            List.of(requests, upstreamRequests, upstreamFailures, upstreamSeconds));
  }

  private static List<String> names() {
    return List.of(
        "request_query_type",
        "request_protocol",
        "source_canonical_service",
        "source_canonical_revision");
  }

  private static FamilySeries counter(MeshRegistry registry, String name, String help) {
    return registry.declare(
        MetricFamily.counter(
            Section.ISTIO, "istio_dns_" + name, help, names().toArray(String[]::new)));
  }

  /** A question came. */
  public void request(Labels labels) {
    recent.count(labels, set -> requests.counter(set).increment());
  }

  /** A question was forwarded. */
  public void upstreamRequest(Labels labels) {
    recent.count(labels, set -> upstreamRequests.counter(set).increment());
  }

  /** A forwarded question came to an end. */
  public void upstreamDuration(Labels labels, double seconds) {
    recent.count(labels, set -> upstreamSeconds.histogram(set, BUCKETS).record(seconds));
  }

  /** A forwarded question got no answer. */
  public void upstreamFailure(Labels labels) {
    recent.count(labels, set -> upstreamFailures.counter(set).increment());
  }
}
