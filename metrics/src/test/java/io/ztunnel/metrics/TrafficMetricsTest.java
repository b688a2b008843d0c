package io.ztunnel.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.metrics.TrafficLabels.Locality;
import io.ztunnel.metrics.TrafficLabels.Peer;
import io.ztunnel.metrics.TrafficLabels.SecurityPolicy;
import io.ztunnel.metrics.TrafficLabels.ServiceName;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class TrafficMetricsTest {
  private static final Set<String> STABLE =
      Set.of(
          "istio_build",
          "istio_tcp_connections_opened",
          "istio_tcp_connections_closed",
          "istio_tcp_received_bytes",
          "istio_tcp_sent_bytes",
          "process_open_fds",
          "process_max_fds");

  private static final Pattern DOCUMENTED =
      Pattern.compile("\\| `([a-z0-9_]+)` \\| (counter|gauge|histogram) \\| .*");

  private final MeshRegistry registry = new MeshRegistry();
  private final AtomicLong nanos = new AtomicLong(-5); // such a clock may well be negative
  private final AtomicInteger overflows = new AtomicInteger();

  private TrafficMetrics traffic(SeriesBounds bounds) {
    return new TrafficMetrics(registry, bounds, nanos::get, overflows::incrementAndGet);
  }

  @AfterEach
  void close() {
    registry.close();
  }

  private static TrafficLabels echo(Reporter reporter, String client) {
    return new TrafficLabels(
        reporter,
        new Peer(
            client,
            "client",
            "v1",
            "shop",
            "spiffe://cluster.local/ns/shop/sa/client",
            "client",
            "v1",
            "west"),
        new ServiceName("echo.shop.svc.cluster.local", "shop", "echo"),
        new Peer(
            "echo-0",
            "echo-0",
            "v1",
            "shop",
            "spiffe://cluster.local/ns/shop/sa/echo",
            "echo-0",
            "v1",
            "east"),
        SecurityPolicy.MUTUAL_TLS,
        new Locality("", "", "", ""));
  }

  @Test
  void aConnectionCountsOnceInEachFamily() throws Exception {
    var traffic = traffic(SeriesBounds.DEFAULT);
    TrafficSeries series = traffic.series(echo(Reporter.SOURCE, "client"));
    series.opened();
    series.received(4);
    series.received(7);
    series.sent(22);
    series.closed(TrafficSeries.NO_FLAG);

    Scrape scrape = Scrape.of(registry);
    Map<String, String> ended = Map.of("reporter", "source", "response_flags", "-");
    assertEquals(1, scrape.value("istio_tcp_connections_opened_total", ended));
    assertEquals(1, scrape.value("istio_tcp_connections_closed_total", ended));
    assertEquals(11, scrape.value("istio_tcp_received_bytes_total", ended));
    assertEquals(22, scrape.value("istio_tcp_sent_bytes_total", ended));
    assertFalse(scrape.families().containsKey("istio_tcp_connections_failed"));
  }

  @Test
  void aFlagOnCloseCountsAsFailedAndLeavesTheOtherFamiliesUnflagged() throws Exception {
    TrafficSeries series = traffic(SeriesBounds.DEFAULT).series(echo(Reporter.DESTINATION, "c"));
    series.opened();
    series.sent(1);
    series.closed("DENY");

    Scrape scrape = Scrape.of(registry);
    Map<String, String> denied = Map.of("response_flags", "DENY");
    assertEquals(1, scrape.value("istio_tcp_connections_closed_total", denied));
    assertEquals(1, scrape.value("istio_tcp_connections_failed_total", denied));
    assertEquals(0, scrape.value("istio_tcp_connections_opened_total", denied));
    assertEquals(0, scrape.value("istio_tcp_sent_bytes_total", denied));
  }

  @Test
  void localityLabelsAreAbsentWhenNoWorkloadIsKnown() throws Exception {
    traffic(SeriesBounds.DEFAULT).series(TrafficLabels.overflow(Reporter.SOURCE)).opened();
    List<String> names =
        List.copyOf(
            Scrape.of(registry)
                .family("istio_tcp_connections_opened")
                .samples()
                .getFirst()
                .labels()
                .keySet());
    assertEquals(TrafficLabels.NAMES.subList(0, 23), names);
  }

  @Test
  void equalLabelsShareOneSeries() {
    var traffic = traffic(SeriesBounds.DEFAULT);
    assertSame(
        traffic.series(echo(Reporter.SOURCE, "a")), traffic.series(echo(Reporter.SOURCE, "a")));
  }

  @Test
  void beyondTheBoundConnectionsAreCountedWithoutNames() throws Exception {
    var traffic = traffic(new SeriesBounds(2, Duration.ZERO));
    for (String client : List.of("a", "b", "c", "d")) {
      traffic.series(echo(Reporter.SOURCE, client)).opened();
    }
    Scrape scrape = Scrape.of(registry);
    String opened = "istio_tcp_connections_opened_total";
    assertEquals(4, scrape.value(opened, Map.of("reporter", "source")));
    assertEquals(
        2, scrape.value(opened, Map.of("reporter", "source", "source_workload", "unknown")));
    traffic.series(echo(Reporter.SOURCE, "a")).opened();
    assertEquals(2, Scrape.of(registry).value(opened, Map.of("source_workload", "a")));
  }

  @Test
  void atTheBoundSeriesThatRestMakeRoomAndThoseInUseStay() throws Exception {
    var traffic = traffic(new SeriesBounds(2, Duration.ZERO));
    TrafficSeries gone = traffic.series(echo(Reporter.SOURCE, "gone"));
    gone.opened();
    gone.received(1);
    gone.closed("CONNECT");
    TrafficSeries busy = traffic.series(echo(Reporter.SOURCE, "busy"));
    busy.opened();

    traffic.series(echo(Reporter.SOURCE, "first")).opened(); // both were just used
    traffic.series(echo(Reporter.SOURCE, "second")).opened(); // one has rested since
    Scrape scrape = Scrape.of(registry);
    String opened = "istio_tcp_connections_opened_total";
    for (String family :
        List.of(
            opened,
            "istio_tcp_connections_closed_total",
            "istio_tcp_connections_failed_total",
            "istio_tcp_received_bytes_total")) {
      assertEquals(0, scrape.value(family, Map.of("source_workload", "gone")), family);
    }
    assertEquals(1, scrape.value(opened, Map.of("source_workload", "busy")));
    assertEquals(1, scrape.value(opened, Map.of("source_workload", "unknown")));
    assertSame(busy, traffic.series(echo(Reporter.SOURCE, "busy")));
  }

  @Test
  void tooManyLabelSetsAreCountedAndToldOnce() throws Exception {
    var traffic = traffic(new SeriesBounds(2, Duration.ofHours(1)));
    for (String client : List.of("a", "b")) {
      traffic.series(echo(Reporter.SOURCE, client)).opened();
    }
    assertEquals(0, overflows.get());
    for (String client : List.of("c", "d", "e")) {
      traffic.series(echo(Reporter.DESTINATION, client)).opened();
    }
    assertEquals(1, overflows.get());
    assertEquals(3, Scrape.of(registry).value("ztunnel_metric_label_sets_refused_total", Map.of()));
  }

  @Test
  void labelsThatArePrintedAlikeHaveOneSeriesThatOutlivesItsRest() throws Exception {
    var traffic = traffic(new SeriesBounds(1, Duration.ofMinutes(10)));
    traffic.series(echo(Reporter.SOURCE, "a")).opened();
    TrafficSeries unnamed = traffic.series(echo(Reporter.GATEWAY, "b"));
    unnamed.received(5);
    Peer unknown = new Peer("unknown", "", "", "", "", "", "unknown", "");
    TrafficLabels alike =
        new TrafficLabels(
            Reporter.GATEWAY,
            unknown,
            new ServiceName("", "unknown", ""),
            Peer.UNKNOWN,
            SecurityPolicy.UNKNOWN,
            null);
    assertSame(unnamed, traffic.series(alike));
    nanos.addAndGet(Duration.ofMinutes(10).toNanos());
    Scrape.of(registry);
    unnamed.received(5);
    assertEquals(
        10,
        Scrape.of(registry).value("istio_tcp_received_bytes_total", Map.of("reporter", "gateway")));
  }

  private double opened(String client) throws Exception {
    return Scrape.of(registry)
        .value("istio_tcp_connections_opened_total", Map.of("source_workload", client));
  }

  @Test
  void aSeriesThatRestsExpiresAndStartsAgainAtZero() throws Exception {
    var traffic = traffic(new SeriesBounds(100, Duration.ofMinutes(10)));
    for (int i = 0; i < 3; i++) {
      TrafficSeries series = traffic.series(echo(Reporter.SOURCE, "a"));
      series.opened();
      series.received(7);
      series.sent(8);
      series.closed("CONNECT");
    }
    nanos.addAndGet(Duration.ofMinutes(10).toNanos() - 1);
    assertEquals(3, opened("a"));
    nanos.addAndGet(1);
    assertFalse(Scrape.of(registry).families().keySet().stream().anyMatch(n -> n.contains("tcp")));
    TrafficSeries again = traffic.series(echo(Reporter.SOURCE, "a"));
    again.opened();
    again.received(7);
    assertEquals(1, opened("a"));
    assertEquals(
        7,
        Scrape.of(registry)
            .value("istio_tcp_received_bytes_total", Map.of("source_workload", "a")));
  }

  @Test
  void anOpenConnectionKeepsItsSeriesHoweverQuietItIs() throws Exception {
    var traffic = traffic(new SeriesBounds(100, Duration.ofMinutes(10)));
    TrafficSeries open = traffic.series(echo(Reporter.SOURCE, "open"));
    open.opened();
    nanos.addAndGet(Duration.ofDays(30).toNanos());
    assertEquals(1, opened("open"));
    open.closed(TrafficSeries.NO_FLAG);
    nanos.addAndGet(Duration.ofMinutes(10).toNanos() - 1);
    assertEquals(1, opened("open")); // the time counts from its end
    nanos.addAndGet(1);
    assertEquals(0, opened("open"));
  }

  @Test
  void withoutAnIdleTimeNothingExpires() throws Exception {
    var traffic = traffic(new SeriesBounds(100, Duration.ZERO));
    traffic.series(echo(Reporter.SOURCE, "a")).opened();
    traffic.series(echo(Reporter.SOURCE, "a")).closed(TrafficSeries.NO_FLAG);
    nanos.addAndGet(Duration.ofDays(30).toNanos());
    assertEquals(1, opened("a"));
  }

  @Test
  void nothingThatIsOpenIsLostWhileOthersExpire() throws Exception {
    var traffic = traffic(new SeriesBounds(100, Duration.ofNanos(1)));
    int threads = 4;
    int rounds = 2_000;
    try (var pool = Executors.newFixedThreadPool(threads)) {
      var work = new ArrayList<Callable<Void>>();
      for (int t = 0; t < threads; t++) {
        String client = "c" + t % 2;
        work.add(
            () -> {
              for (int i = 0; i < rounds; i++) {
                TrafficSeries series = traffic.series(echo(Reporter.SOURCE, client));
                series.opened();
                nanos.incrementAndGet();
                series.closed(TrafficSeries.NO_FLAG);
                nanos.incrementAndGet();
                Scrape.of(registry);
              }
              return null;
            });
      }
      for (Future<Void> done : pool.invokeAll(work)) {
        done.get();
      }
    }
    TrafficSeries last = traffic.series(echo(Reporter.SOURCE, "c0"));
    last.opened();
    double before = opened("c0");
    traffic.series(echo(Reporter.SOURCE, "c0")).opened();
    assertTrue(before >= 1, "opened: " + before);
    assertEquals(before + 1, opened("c0"));
    assertSame(last, traffic.series(echo(Reporter.SOURCE, "c0")));
  }

  @Test
  void socketsAppearWithTheFirstAndGoBackToZero() throws Exception {
    var traffic = traffic(SeriesBounds.DEFAULT);
    traffic.sockets(Reporter.SOURCE).opened();
    traffic.sockets(Reporter.SOURCE).opened();
    traffic.sockets(Reporter.SOURCE).closed();
    Scrape one = Scrape.of(registry);
    assertEquals(1, one.family("istio_tcp_sockets_open").samples().size());
    assertEquals(1, one.value("istio_tcp_sockets_open", Map.of("reporter", "source")));
    traffic.sockets(Reporter.SOURCE).closed();
    assertEquals(0, Scrape.of(registry).value("istio_tcp_sockets_open", Map.of()));
    assertThrows(IllegalStateException.class, () -> traffic.sockets(Reporter.SOURCE).closed());
  }

  @Test
  void onDemandLookupsAreCountedByHostname() throws Exception {
    var traffic = traffic(SeriesBounds.DEFAULT);
    traffic.onDemandDns(echo(Reporter.SOURCE, "client").source(), "payments.example.com");
    traffic.onDemandDns(echo(Reporter.SOURCE, "client").source(), "payments.example.com");
    assertEquals(
        2,
        Scrape.of(registry)
            .value("istio_on_demand_dns_total", Map.of("hostname", "payments.example.com")));
  }

  private double lookups(String hostname) throws Exception {
    return Scrape.of(registry).value("istio_on_demand_dns_total", Map.of("hostname", hostname));
  }

  @Test
  void hostnamesThatAreKnownKeepTheirNameWhenThereIsNoRoomForMore() throws Exception {
    var traffic = traffic(SeriesBounds.DEFAULT);
    Peer client = echo(Reporter.SOURCE, "client").source();
    for (int i = 0; i < 5_001; i++) {
      traffic.onDemandDns(client, "host-" + i);
    }
    traffic.onDemandDns(client, "host-0");
    assertEquals(2, lookups("host-0"));
    assertEquals(1, lookups("unknown"));
  }

  @Test
  void hostnamesThatNobodyLooksUpAnyMoreGo() throws Exception {
    var traffic = traffic(new SeriesBounds(10, Duration.ofMinutes(10)));
    Peer client = echo(Reporter.SOURCE, "client").source();
    traffic.onDemandDns(client, "old");
    nanos.addAndGet(Duration.ofMinutes(9).toNanos());
    traffic.onDemandDns(client, "new");
    assertEquals(1, lookups("old"));
    nanos.addAndGet(Duration.ofMinutes(1).toNanos());
    assertEquals(
        List.of("new"),
        Scrape.of(registry).family("istio_on_demand_dns").samples().stream()
            .map(sample -> sample.labels().get("hostname"))
            .toList());
  }

  @Test
  void concurrentRecordingLosesNothing() throws Exception {
    var traffic = traffic(SeriesBounds.DEFAULT);
    int threads = 4;
    int connections = 2_000;
    try (var pool = Executors.newFixedThreadPool(threads)) {
      var work = new ArrayList<Callable<Void>>();
      for (int t = 0; t < threads; t++) {
        work.add(
            () -> {
              for (int i = 0; i < connections; i++) {
                TrafficSeries series = traffic.series(echo(Reporter.SOURCE, "c" + i % 7));
                series.opened();
                series.received(3);
                series.closed(TrafficSeries.NO_FLAG);
              }
              return null;
            });
      }
      for (Future<Void> done : pool.invokeAll(work)) {
        done.get();
      }
    }
    Scrape scrape = Scrape.of(registry);
    double all = (double) threads * connections;
    assertEquals(all, scrape.value("istio_tcp_connections_opened_total", Map.of()));
    assertEquals(all, scrape.value("istio_tcp_connections_closed_total", Map.of()));
    assertEquals(3 * all, scrape.value("istio_tcp_received_bytes_total", Map.of()));
  }

  @Test
  void everyFamilyThatIsNotStableSaysSo() throws Exception {
    fillAll();
    Scrape scrape = Scrape.of(registry);
    scrape
        .families()
        .forEach(
            (name, family) ->
                assertEquals(!STABLE.contains(name), family.help().contains("(unstable)"), name));
    assertTrue(scrape.families().keySet().containsAll(STABLE));
  }

  @Test
  void theReferencesFamiliesHaveItsNamesTypesLabelsAndOrder() throws Exception {
    fillAll();
    Scrape ours = Scrape.of(registry);
    Scrape reference = Scrape.parse(resource("reference-source-node.txt"));
    List<String> expected = List.copyOf(reference.families().keySet());
    assertEquals(expected, ours.families().keySet().stream().filter(expected::contains).toList());
    for (String name : expected) {
      Scrape.Family want = reference.family(name);
      Scrape.Family got = ours.family(name);
      assertEquals(want.help(), got.help(), name);
      assertEquals(want.type(), got.type(), name);
      assertEquals(want.unit(), got.unit(), name);
      assertEquals(labelNames(want), labelNames(got), name);
      assertEquals(sampleNames(want), sampleNames(got), name);
    }
  }

  @Test
  void theDocumentListsExactlyTheseFamilies() throws Exception {
    fillAll();
    var documented = new ArrayList<String>();
    for (String line : Files.readAllLines(Path.of("../docs/metrics.md"))) {
      Matcher row = DOCUMENTED.matcher(line);
      if (row.matches()) {
        documented.add(row.group(1) + " " + row.group(2));
      }
    }
    var families = new ArrayList<String>();
    Scrape.of(registry)
        .families()
        .forEach((name, family) -> families.add(name + " " + family.type()));
    assertEquals(sorted(families), sorted(documented));
  }

  private static List<String> sorted(List<String> names) {
    return names.stream().sorted().toList();
  }

  private void fillAll() {
    ProcessMetrics.register(registry);
    var runtime = new RuntimeMetrics(registry, () -> 1);
    runtime.eventLoop("ztunnel-0", () -> 0, () -> 0.001);
    var tunnels = new TunnelMetrics(registry);
    tunnels.floodStopped(TunnelMetrics.Role.SERVER, "resets");
    tunnels.peerRevoked(TunnelMetrics.Role.CLIENT);
    new DrainMetrics(registry, () -> 2).cut(1);
    var remote = new RemoteGatewayMetrics(registry, () -> 1, InetSocketAddress::toString);
    var gateway = new InetSocketAddress(InetAddress.ofLiteral("192.0.2.1"), 15008);
    remote.used("net", gateway);
    remote.roundTrip(gateway, 1);
    new GatewayMetrics(registry, new GatewayMetricsTest.Fixed(6, 3, 4, 1, 2)).retried();
    BuildMetrics.register(registry, "unknown");
    var xds = new XdsMetrics(registry);
    xds.terminated("Complete");
    xds.received("type", 1);
    xds.rejected("type", 1);
    var traffic = traffic(new SeriesBounds(1, Duration.ofHours(1)));
    TrafficSeries series = traffic.series(echo(Reporter.SOURCE, "client"));
    series.opened();
    series.received(1);
    series.sent(1);
    series.closed("CONNECT");
    traffic.sockets(Reporter.SOURCE).opened();
    traffic.onDemandDns(Peer.UNKNOWN, "h");
    traffic.connectionFailed(Reporter.SOURCE, "connect_refused");
    traffic.series(echo(Reporter.SOURCE, "one too many"));
    DnsMetrics dns = new DnsMetrics(registry, Duration.ofHours(1), nanos::get);
    DnsMetrics.Labels labels = new DnsMetrics.Labels("a", "udp", "till", "v1");
    dns.request(labels);
    dns.upstreamRequest(labels);
    dns.upstreamFailure(labels);
    dns.upstreamDuration(labels, 0.001);
    new WorkloadManagerMetrics(registry).proxyStarted();
  }

  private static Set<List<String>> labelNames(Scrape.Family family) {
    return family.samples().stream()
        .map(s -> List.copyOf(s.labels().keySet()))
        .collect(Collectors.toSet());
  }

  private static Set<String> sampleNames(Scrape.Family family) {
    return family.samples().stream().map(Scrape.Sample::name).collect(Collectors.toSet());
  }

  private static String resource(String name) throws IOException {
    try (InputStream in = TrafficMetricsTest.class.getResourceAsStream(name)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }
}
