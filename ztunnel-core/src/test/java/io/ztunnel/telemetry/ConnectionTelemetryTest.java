package io.ztunnel.telemetry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.ImmediateEventExecutor;
import io.ztunnel.MetricsText;
import io.ztunnel.log.LogCapture;
import io.ztunnel.metrics.MeshRegistry;
import io.ztunnel.metrics.Reporter;
import io.ztunnel.metrics.SeriesBounds;
import io.ztunnel.metrics.TrafficLabels;
import io.ztunnel.metrics.TrafficLabels.Peer;
import io.ztunnel.metrics.TrafficLabels.SecurityPolicy;
import io.ztunnel.metrics.TrafficLabels.ServiceName;
import io.ztunnel.metrics.TrafficMetrics;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ConnectionTelemetryTest {
  private static final EventExecutor LOOP = ImmediateEventExecutor.INSTANCE;
  private static final Peer CLIENT =
      new Peer(
          "client",
          "client",
          "v1",
          "shop",
          "spiffe://cluster.local/ns/shop/sa/client",
          "client",
          "v1",
          "west");
  private static final Peer ECHO =
      new Peer(
          "echo",
          "echo",
          "v1",
          "shop",
          "spiffe://cluster.local/ns/shop/sa/echo",
          "echo",
          "v1",
          "east");

  private final MeshRegistry registry = new MeshRegistry();
  private final TrafficMetrics metrics =
      new TrafficMetrics(registry, SeriesBounds.DEFAULT, System::nanoTime, () -> {});
  private long nanos = 1_000;
  private final ConnectionTelemetry telemetry = new ConnectionTelemetry(metrics, () -> nanos);

  @AfterEach
  void close() {
    registry.close();
  }

  private static InetSocketAddress address(String ip, int port) {
    return new InetSocketAddress(ip, port);
  }

  private static ConnectionFacts hbone(Reporter reporter) {
    return new ConnectionFacts(
        new TrafficLabels(
            reporter,
            CLIENT,
            new ServiceName("echo.shop.svc.cluster.local", "shop", "echo"),
            ECHO,
            SecurityPolicy.MUTUAL_TLS,
            null),
        address("10.1.1.1", 58712),
        "client-0",
        address("10.99.2.10", 15008),
        "echo.shop.svc.cluster.local:80",
        "echo-1");
  }

  private static ConnectionFacts plain(String sourceName) {
    return new ConnectionFacts(
        new TrafficLabels(
            Reporter.SOURCE,
            CLIENT,
            ServiceName.UNKNOWN,
            Peer.UNKNOWN,
            SecurityPolicy.UNKNOWN,
            null),
        address("10.1.1.1", 1),
        sourceName,
        address("2001:db8::1", 443),
        "",
        "");
  }

  private String metric(String name) throws Exception {
    return MetricsText.of(registry)
        .lines()
        .filter(l -> l.startsWith(name + "{"))
        .map(l -> l.substring(l.lastIndexOf(' ') + 1))
        .reduce("", (a, b) -> a + b);
  }

  private void later(long millis) {
    nanos += TimeUnit.MILLISECONDS.toNanos(millis);
  }

  @Test
  void anOutboundConnectionLogsInTheReferencesOrder() {
    try (var log = LogCapture.plain("info")) {
      ConnectionObserver connection =
          telemetry.opened(hbone(Reporter.SOURCE), telemetry.nanoTime(), LOOP);
      connection.toUpstream(4);
      connection.toDownstream(20);
      connection.toDownstream(5);
      later(5);
      connection.closed();
      assertEquals(
          List.of(
              "info\taccess\tconnection complete\tsrc.addr=10.1.1.1:58712 src.workload=\"client-0\""
                  + " src.namespace=\"shop\""
                  + " src.identity=\"spiffe://cluster.local/ns/shop/sa/client\""
                  + " src.cluster=\"west\" dst.addr=10.99.2.10:15008"
                  + " dst.hbone_addr=echo.shop.svc.cluster.local:80"
                  + " dst.service=\"echo.shop.svc.cluster.local\" dst.workload=\"echo-1\""
                  + " dst.namespace=\"shop\""
                  + " dst.identity=\"spiffe://cluster.local/ns/shop/sa/echo\""
                  + " dst.cluster=\"east\" direction=\"outbound\" bytes_sent=4 bytes_recv=25"
                  + " duration=\"5ms\"\n"),
          log.withoutTime());
    }
  }

  @Test
  void anInboundConnectionCountsBytesFromItsOwnSide() {
    try (var log = LogCapture.plain("info")) {
      ConnectionObserver connection =
          telemetry.opened(hbone(Reporter.DESTINATION), telemetry.nanoTime(), LOOP);
      connection.toUpstream(11);
      connection.toDownstream(22);
      connection.closed();
      assertTrue(
          log.lines()
              .getFirst()
              .endsWith("direction=\"inbound\" bytes_sent=22 bytes_recv=11 duration=\"0ms\"\n"));
    }
  }

  @Test
  void jsonHasDottedNamesTypedCountsAndStrings() {
    try (var log = LogCapture.json("info")) {
      ConnectionObserver connection =
          telemetry.opened(hbone(Reporter.SOURCE), telemetry.nanoTime(), LOOP);
      connection.toUpstream(4);
      later(7);
      connection.closed();
      String line = log.lines().getFirst();
      assertTrue(
          line.contains(
              "\"scope\":\"access\",\"message\":\"connection complete\","
                  + "\"src.addr\":\"10.1.1.1:58712\",\"src.workload\":\"client-0\","),
          line);
      assertTrue(line.endsWith("\"bytes_sent\":4,\"bytes_recv\":0,\"duration\":\"7ms\"}\n"), line);
    }
  }

  @Test
  void whatIsNotKnownIsLeftOutAndIdentitiesNeedMutualTls() {
    try (var log = LogCapture.plain("info")) {
      telemetry.opened(plain(""), telemetry.nanoTime(), LOOP).closed();
      assertEquals(
          "info\taccess\tconnection complete\tsrc.addr=10.1.1.1:1 src.workload=\"client\""
              + " src.namespace=\"shop\" src.cluster=\"west\" dst.addr=[2001:db8::1]:443"
              + " direction=\"outbound\" bytes_sent=0 bytes_recv=0 duration=\"0ms\"\n",
          log.withoutTime().getFirst());
    }
  }

  @Test
  void openingIsLoggedAtDebugWithTheSameFields() {
    try (var log = LogCapture.plain("access=debug")) {
      ConnectionObserver connection = telemetry.opened(plain("p"), telemetry.nanoTime(), LOOP);
      assertEquals(
          "debug\taccess\tconnection opened\tsrc.addr=10.1.1.1:1 src.workload=\"p\""
              + " src.namespace=\"shop\" src.cluster=\"west\" dst.addr=[2001:db8::1]:443"
              + " direction=\"outbound\"\n",
          log.withoutTime().getFirst());
      connection.closed();
    }
  }

  @Test
  void aFailureIsSeenInLogAndMetricsUnderOneName() throws Exception {
    try (var log = LogCapture.plain("info")) {
      ConnectionObserver connection =
          telemetry.opened(hbone(Reporter.DESTINATION), telemetry.nanoTime(), LOOP);
      connection.failed(
          new ConnectionFailure.PolicyDenied("explicitly denied by: shop/no-web", "rule 2"));
      String line = log.withoutTime().getFirst();
      assertTrue(line.startsWith("error\taccess\tconnection complete\t"), line);
      assertTrue(
          line.endsWith(
              " duration=\"0ms\" error=\"connection closed due to policy rejection: explicitly"
                  + " denied by: shop/no-web\" reason=\"policy_denied\" detail=\"rule 2\"\n"),
          line);
    }
    assertEquals("1", metric("istio_tcp_connections_closed_total"));
    assertEquals("1", metric("istio_tcp_connections_failed_total"));
    assertEquals("1", metric("ztunnel_connection_failures_total"));
  }

  @Test
  void aDrainedConnectionIsAnErrorInTheLogButNotAFailedConnection() throws Exception {
    try (var log = LogCapture.plain("info")) {
      telemetry
          .opened(hbone(Reporter.SOURCE), telemetry.nanoTime(), LOOP)
          .failed(new ConnectionFailure.Drained());
      assertTrue(
          log.lines().getFirst().contains("error=\"connection closed due to connection drain\""));
    }
    assertEquals("1", metric("istio_tcp_connections_closed_total"));
    assertEquals("", metric("istio_tcp_connections_failed_total"));
  }

  @Test
  void onlyTheFirstEndCounts() throws Exception {
    try (var log = LogCapture.plain("info")) {
      ConnectionObserver connection =
          telemetry.opened(hbone(Reporter.SOURCE), telemetry.nanoTime(), LOOP);
      connection.closed();
      connection.failed(new ConnectionFailure.Drained());
      connection.closed();
      assertEquals(1, log.lines().size());
    }
    assertEquals("1", metric("istio_tcp_connections_closed_total"));
    assertEquals("", metric("ztunnel_connection_failures_total"));
  }

  @Test
  void aRefusedConnectionIsALineAndAReasonButNoConnection() throws Exception {
    try (var log = LogCapture.plain("info")) {
      telemetry.refused(
          Reporter.DESTINATION,
          address("10.1.1.1", 9),
          address("10.2.1.1", 15006),
          new ConnectionFailure.ProxyPort(15006));
      assertEquals(
          List.of(
              "warn\taccess\tconnection failed\tsrc.addr=10.1.1.1:9 dst.addr=10.2.1.1:15006"
                  + " direction=\"inbound\" error=\"attempted recursive call to ourselves\""
                  + " reason=\"proxy_port\" detail=\"port 15006 is the proxy's own\"\n"),
          log.withoutTime());
    }
    assertEquals("1", metric("ztunnel_connection_failures_total"));
    assertEquals("", metric("istio_tcp_connections_opened_total"));
  }

  @Test
  void countingGoesOnWhenTheAccessLogIsOff() throws Exception {
    try (var log = LogCapture.plain("off")) {
      ConnectionObserver connection =
          telemetry.opened(hbone(Reporter.SOURCE), telemetry.nanoTime(), LOOP);
      connection.toUpstream(9);
      connection.closed();
      assertTrue(log.lines().isEmpty());
    }
    assertEquals("9", metric("istio_tcp_received_bytes_total"));
  }
}
