package io.ztunnel.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

final class RemoteGatewayMetricsTest {
  private final InetSocketAddress gateway = address("192.0.2.1");
  private long now = Long.MAX_VALUE - 5; // clocks may start anywhere, and pass the end
  private final MeshRegistry registry = new MeshRegistry();
  private final RemoteGatewayMetrics metrics =
      new RemoteGatewayMetrics(
          registry, () -> now, address -> address.getHostString() + ":" + address.getPort());

  @AfterEach
  void close() {
    registry.close();
  }

  private static InetSocketAddress address(String ip) {
    return new InetSocketAddress(InetAddress.ofLiteral(ip), 15008);
  }

  private List<String> samples() throws Exception {
    return Scrape.text(registry).lines().filter(line -> !line.startsWith("#")).toList();
  }

  private static String sample(String metric, String value) {
    return "ztunnel_remote_gateway_%s{network=\"n\",gateway=\"192.0.2.1:15008\"} %s"
        .formatted(metric, value);
  }

  @Test
  void tellsWhatGoesThroughAGatewayAndWhomItReaches() throws Exception {
    metrics.used("n", gateway);
    metrics.innerOpened(gateway, "a", null);
    metrics.innerOpened(gateway, "a", null);
    metrics.innerOpened(gateway, "b", null);
    metrics.innerOpened(gateway, "c", null);
    metrics.innerClosed(gateway, "a", null);
    metrics.innerClosed(gateway, "c", null);
    metrics.roundTrip(gateway, Duration.ofMillis(250).toNanos());
    metrics.roundTrip(address("192.0.2.2"), 1); // no gateway
    assertEquals(
        List.of(
            sample("inner_connections_open", "2"),
            sample("backends", "2"),
            sample("round_trip_seconds", "0.25"),
            sample("set_aside_seconds_total", "0")),
        samples());
  }

  @Test
  void backendsAreWorkloadsAndOfOthersCertificates() throws Exception {
    metrics.used("n", gateway);
    metrics.innerOpened(gateway, "a", null);
    assertEquals(sample("backends", "1"), samples().get(1));
    metrics.innerOpened(gateway, "a", "pod-1");
    metrics.innerClosed(gateway, "a", null);
    assertEquals(sample("backends", "1"), samples().get(1));
    metrics.innerOpened(gateway, "a", null); // may have reached the pod that is known, too
    assertEquals(sample("backends", "1"), samples().get(1));
    metrics.innerOpened(gateway, "renewed", "pod-1");
    assertEquals(sample("backends", "1"), samples().get(1));
    metrics.innerOpened(gateway, "a", "pod-2");
    assertEquals(sample("backends", "2"), samples().get(1));
    metrics.innerOpened(gateway, "b", null);
    assertEquals(sample("backends", "3"), samples().get(1));
    assertEquals(sample("inner_connections_open", "5"), samples().getFirst());
  }

  @Test
  void whatWasOpenBeforeTheGatewayWasKnownDoesNotCountWhenItCloses() throws Exception {
    metrics.innerOpened(gateway, "early", null);
    metrics.used("n", gateway);
    metrics.innerOpened(gateway, "a", null);
    metrics.innerClosed(gateway, "early", null);
    assertEquals(sample("inner_connections_open", "1"), samples().getFirst());
    metrics.innerClosed(gateway, "a", null);
    assertEquals(sample("inner_connections_open", "0"), samples().getFirst());
  }

  @Test
  void timeSetAsideGrowsWhileItLasts() throws Exception {
    metrics.used("n", gateway);
    metrics.setAside(gateway);
    now += Duration.ofSeconds(3).toNanos();
    metrics.setAside(gateway); // by a second pod
    assertEquals(sample("set_aside_seconds_total", "3"), samples().getLast());
    metrics.isBack(gateway);
    now += Duration.ofSeconds(1).toNanos();
    metrics.isBack(gateway);
    now += Duration.ofSeconds(10).toNanos();
    assertEquals(sample("set_aside_seconds_total", "4"), samples().getLast());
    metrics.setAside(gateway);
    now += Duration.ofSeconds(2).toNanos();
    assertEquals(sample("set_aside_seconds_total", "6"), samples().getLast());
  }

  @Test
  void aGatewayThatNobodyUsesIsForgottenUnlessSomethingIsOpenOrAside() throws Exception {
    metrics.used("n", gateway);
    metrics.innerOpened(gateway, "a", null);
    now += RemoteGatewayMetrics.IDLE.toNanos();
    assertEquals(3, samples().size());
    metrics.innerClosed(gateway, "a", null);
    metrics.setAside(gateway);
    assertEquals(3, samples().size());
    metrics.isBack(gateway);
    assertEquals(List.of(), samples());
    metrics.used("n", gateway);
    assertEquals(3, samples().size());
  }

  @Test
  void ofMoreGatewaysThanSoManyNothingIsRecorded() throws Exception {
    for (int i = 0; i < RemoteGatewayMetrics.MAX_GATEWAYS + 10; i++) {
      metrics.used("n", address("192.0.%d.%d".formatted(i / 250, i % 250)));
    }
    assertEquals(3 * RemoteGatewayMetrics.MAX_GATEWAYS, samples().size());
  }
}
