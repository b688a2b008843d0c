package io.ztunnel.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class DnsMetricsTest {
  private static final DnsMetrics.Labels LABELS = new DnsMetrics.Labels("a", "udp", "till", "v\"1");
  private static final String PRINTED =
      "request_query_type=\"a\",request_protocol=\"udp\",source_canonical_service=\"till\",source_canonical_revision=\"v\\\"1\"";

  private final AtomicLong now = new AtomicLong();
  private final MeshRegistry registry = new MeshRegistry();
  private final DnsMetrics metrics = new DnsMetrics(registry, Duration.ofHours(1), now::get);

  private String page() throws Exception {
    return Scrape.text(registry);
  }

  @Test
  void nothingIsPrintedBeforeTheFirstQuestion() throws Exception {
    assertEquals("# EOF\n", page());
  }

  @Test
  void questionsAreCountedAndTheirTimeIsInBuckets() throws Exception {
    metrics.request(LABELS);
    metrics.upstreamRequest(LABELS);
    metrics.upstreamFailure(LABELS);
    for (double seconds : new double[] {0.0005, 0.25, 0.25, 7}) {
      metrics.upstreamDuration(LABELS, seconds);
    }
    String family = "istio_dns_upstream_request_duration_seconds";
    assertEquals(
        """
        # HELP istio_dns_requests Total number of DNS requests (unstable).
        # TYPE istio_dns_requests counter
        istio_dns_requests_total{%1$s} 1
        # HELP istio_dns_upstream_requests Total number of DNS requests forwarded to upstream (unstable).
        # TYPE istio_dns_upstream_requests counter
        istio_dns_upstream_requests_total{%1$s} 1
        # HELP istio_dns_upstream_failures Total number of DNS requests forwarded to upstream that failed (unstable).
        # TYPE istio_dns_upstream_failures counter
        istio_dns_upstream_failures_total{%1$s} 1
        # HELP %2$s Total time in seconds Istio takes to get DNS response from upstream (unstable).
        # TYPE %2$s histogram
        # UNIT %2$s seconds
        %2$s_sum{%1$s} 7.5005
        %2$s_count{%1$s} 4
        %2$s_bucket{%1$s,le="0.0005"} 1
        %2$s_bucket{%1$s,le="0.001"} 1
        %2$s_bucket{%1$s,le="0.01"} 1
        %2$s_bucket{%1$s,le="0.1"} 1
        %2$s_bucket{%1$s,le="1.0"} 3
        %2$s_bucket{%1$s,le="5.0"} 3
        %2$s_bucket{%1$s,le="+Inf"} 4
        # EOF
        """
            .formatted(PRINTED, family),
        page());
  }

  @Test
  void theNumberOfSeriesIsBounded() throws Exception {
    for (int i = 0; i < 6_000; i++) {
      metrics.request(new DnsMetrics.Labels("a", "udp", "s" + i, "v1"));
    }
    assertEquals(5_001, page().lines().filter(line -> line.contains("_total{")).count());
  }

  @Test
  void whatNobodyHasAskedForInAWhileGoesAndComesBackFromZero() throws Exception {
    metrics.request(LABELS);
    metrics.upstreamRequest(LABELS);
    metrics.upstreamFailure(LABELS);
    metrics.upstreamDuration(LABELS, 0.5);
    now.addAndGet(Duration.ofMinutes(59).toNanos());
    metrics.request(new DnsMetrics.Labels("a", "udp", "shop", "v1"));
    assertTrue(page().contains("till"), "used within the hour");

    now.addAndGet(Duration.ofMinutes(1).toNanos());
    assertEquals(
        1,
        page().lines().filter(line -> line.startsWith("istio_dns")).count(),
        "one counter of the other service");
    metrics.request(LABELS);
    metrics.request(LABELS);
    assertTrue(page().contains("istio_dns_requests_total{" + PRINTED + "} 2\n"), page());
  }

  @Test
  void whatHasGoneMakesRoomForOthers() throws Exception {
    for (int i = 0; i < 6_000; i++) {
      metrics.request(new DnsMetrics.Labels("a", "udp", "s" + i, "v1"));
    }
    now.addAndGet(Duration.ofHours(1).toNanos());
    assertEquals("# EOF\n", page());
    metrics.request(LABELS);
    assertTrue(page().contains("till"), "named again");
  }
}
