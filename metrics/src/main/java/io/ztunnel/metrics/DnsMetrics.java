package io.ztunnel.metrics;

import io.ztunnel.metrics.MetricFamily.Section;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

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
  }

  private final FamilySeries requests;
  private final FamilySeries upstreamRequests;
  private final FamilySeries upstreamFailures;
  private final FamilySeries upstreamSeconds;
  private final Map<Labels, LabelSet> known = new ConcurrentHashMap<>();

  /** Declares the families; once per registry. */
  public DnsMetrics(MeshRegistry registry) {
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
                "How long DNS requests forwarded to upstream took (unstable).",
                "seconds",
                names()));
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

  private LabelSet labels(Labels labels) {
    @Nullable LabelSet set = known.get(labels);
    if (set != null) {
      return set;
    }
    Labels named = known.size() < MAX_LABEL_SETS ? labels : labels.unnamed();
    return known.computeIfAbsent(
        named,
        l ->
            new LabelSet(
                names(),
                List.of(l.queryType, l.protocol, l.canonicalService, l.canonicalRevision)));
  }

  /** A question came. */
  public void request(Labels labels) {
    requests.counter(labels(labels)).increment();
  }

  /** A question was forwarded. */
  public void upstreamRequest(Labels labels) {
    upstreamRequests.counter(labels(labels)).increment();
  }

  /** A forwarded question came to an end. */
  public void upstreamDuration(Labels labels, double seconds) {
    upstreamSeconds.histogram(labels(labels), BUCKETS).record(seconds);
  }

  /** A forwarded question got no answer. */
  public void upstreamFailure(Labels labels) {
    upstreamFailures.counter(labels(labels)).increment();
  }
}
