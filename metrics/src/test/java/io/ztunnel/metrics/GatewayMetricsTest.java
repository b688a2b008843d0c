package io.ztunnel.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

final class GatewayMetricsTest {
  /** A gateway on which nothing happens. */
  record Fixed(int tunnels, int endpoints, int mostTunnels, int fewestTunnels, int sources)
      implements GatewayMetrics.Open {}

  @Test
  void tellsWhatIsOpenAndWhatWasTriedAgain() throws Exception {
    try (MeshRegistry registry = new MeshRegistry()) {
      GatewayMetrics metrics = new GatewayMetrics(registry, new Fixed(6, 3, 4, 1, 2));
      metrics.retried();
      metrics.retried();
      String page = Scrape.text(registry);
      assertEquals(
          List.of(
              "ztunnel_gateway_tunnels_open 6",
              "ztunnel_gateway_endpoints_open 3",
              "ztunnel_gateway_endpoint_tunnels{rank=\"most\"} 4",
              "ztunnel_gateway_endpoint_tunnels{rank=\"fewest\"} 1",
              "ztunnel_gateway_sources_open 2",
              "ztunnel_gateway_retries_total 2"),
          page.lines().filter(line -> !line.startsWith("#")).toList());
    }
  }
}
