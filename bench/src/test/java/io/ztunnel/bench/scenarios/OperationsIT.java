package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.redirection.Lab;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.zip.GZIPInputStream;
import java.util.zip.InflaterInputStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What operators and their tools see of a daemon: readiness, metrics, levels, the dump, JSON. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class OperationsIT {
  private static final int PORT = 8080;

  private Scene scene;
  private Lab.Node node;
  private Lab.Pod client;
  private Lab.Pod server;
  private Lab.Pod often;
  private Lab.Pod seldom;
  private Daemon daemon;
  private Daemon jsonDaemon;
  private Daemon forgetful;
  private String readinessBeforeTheSnapshot = "";

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("operations");
    node = scene.lab().addNode();
    Lab.Node jsonNode = scene.lab().addNode();
    client = scene.pod(node, "client");
    server = scene.pod(jsonNode, "server");
    Lab.Node otherNode = scene.lab().addNode();
    often = scene.pod(otherNode, "often");
    seldom = scene.pod(otherNode, "seldom");
    scene.app(often, PORT, App.ECHO_TWICE);
    scene.service(Entry.service("web", "10.96.0.1", "{80: 8080}"));
    scene.app(seldom, PORT, App.ECHO_TWICE);
    scene.app(server, PORT, App.ECHO_TWICE);
    Daemon starting = Daemon.start(scene.lab(), node, Scene.LAUNCHER, scene.meshFile(), Map.of());
    scene.closeLater(starting);
    starting.add(client, "shop", "client");
    readinessBeforeTheSnapshot = Http.ask(node, Http.READINESS, "GET /healthz/ready").toString();
    starting.finishSnapshot();
    daemon = starting;
    jsonDaemon = scene.daemon(jsonNode, Map.of("LOG_FORMAT", "json"), server);
    forgetful = scene.daemon(otherNode, Map.of("ZTUNNEL_METRIC_IDLE", "2s"), often, seldom);
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  private Http admin(String request) throws IOException {
    return Http.ask(node, Http.ADMIN, request);
  }

  private void call() throws IOException {
    assertEquals(
        "hello worldhello world", PodSockets.exchange(client, server.ipv4(), PORT, "hello world"));
  }

  @Test
  void readinessNamesWhatIsAwaited() throws Exception {
    assertEquals("500 not ready, pending: workload proxy manager\n", readinessBeforeTheSnapshot);
    assertEquals("200 ready\n", Http.ask(node, Http.READINESS, "GET /healthz/ready").toString());
    assertEquals(405, Http.ask(node, Http.READINESS, "POST /healthz/ready").status());
    assertEquals(404, Http.ask(node, Http.READINESS, "GET /").status());
  }

  @Test
  void theLogTellsWhatReadinessWaitedForAndWhereListenersAre() throws Exception {
    List<String> lines =
        daemon.logLines().stream()
            .map(line -> line.replaceFirst("^\\S+\t", "").replaceAll("\\(.*s\\)", "(*)"))
            .toList();
    for (String expected :
        List.of(
            "info\treadiness\tTask 'state manager' complete (*), still awaiting 1 tasks\t",
            "info\tinpod::statemanager\tpod received, starting proxy\tuid=\"uid-%s\" name=\"client\" namespace=\"shop\""
                .formatted(client.namespace()),
            "xdsHeaders: []",
            "caHeaders: []",
            "info\treadiness\tTask 'workload proxy manager' complete (*), marking server ready\t",
            "info\tapp\tshared proxy mode - in-pod mode enabled\t",
            "info\tproxy::inbound\tlistener established\taddress=[::]:15008 component=\"inbound\" transparent=true",
            "info\tproxy::inbound_passthrough\tlistener established\taddress=[::]:15006 component=\"inbound plaintext\" transparent=true",
            "info\treadiness\tTask 'dns proxy' complete (*), still awaiting 3 tasks\t",
            "info\treadiness\tTask 'proxy' complete (*), still awaiting 2 tasks\t",
            "info\tinpod::workloadmanager\thandling new stream\t",
            "info\tdns::server\tstarting local DNS server\taddress=localhost:15053 component=\"dns\"",
            "info\tproxy::outbound\tlistener established\taddress=[::]:15001 component=\"outbound\" transparent=true")) {
      assertTrue(lines.contains(expected), () -> expected + " is not in\n" + lines);
    }
  }

  @Test
  void theLogHasTheReferencesOrder() throws Exception {
    List<String> lines = daemon.logLines();
    int at = 0;
    for (String next :
        List.of(
            "\tztunnel\tversion: version.BuildInfo{Version:\"",
            "\tztunnel\trunning with config: proxy: true",
            "adminAddr: !Localhost",
            "statsAddr: !SocketAddr '[::]:15020'",
            "\tapp\tshared proxy mode - in-pod mode enabled",
            "component=\"admin\"",
            "component=\"stats\"",
            "Task 'dns proxy' complete",
            "Task 'proxy' complete",
            "Task 'state manager' complete",
            "\tinpod::workloadmanager\thandling new stream",
            "\tinpod::statemanager\tpod received, starting proxy",
            "\tproxy::inbound\tlistener established",
            "\tinpod::statemanager\treceived snapshot sent",
            "Task 'workload proxy manager' complete")) {
      int from = at;
      while (at < lines.size() && !lines.get(at).contains(next)) {
        at++;
      }
      assertTrue(
          at < lines.size(),
          () -> next + " is not in\n" + String.join("\n", lines.subList(from, lines.size())));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"gzip", "deflate", "identity"})
  void metricsAreTheSameInEachCoding(String coding) throws Exception {
    call();
    Journal.awaitRest(daemon);
    String plain = Http.ask(node, Http.STATS, "GET /stats/prometheus").text();
    Http answer = Http.ask(node, Http.STATS, "GET /metrics", "Accept-Encoding: " + coding);
    assertEquals(200, answer.status());
    assertEquals(
        !coding.equals("identity"),
        answer.head().contains("content-encoding: " + coding),
        answer.head());
    assertEquals(istio(plain), istio(decoded(coding, answer.body())));
    assertTrue(plain.endsWith("# EOF\n"), plain);
  }

  private static String decoded(String coding, byte[] body) throws IOException {
    try (InputStream in =
        switch (coding) {
          case "gzip" -> new GZIPInputStream(new ByteArrayInputStream(body));
          case "deflate" -> new InflaterInputStream(new ByteArrayInputStream(body));
          default -> new ByteArrayInputStream(body);
        }) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  private static List<String> istio(String page) {
    List<String> lines = page.lines().filter(line -> line.contains("istio_tcp_")).toList();
    assertFalse(lines.isEmpty(), page);
    return lines;
  }

  @Test
  void metricsAreOpenMetricsForThoseWhoAsk() throws Exception {
    Http plain = Http.ask(node, Http.STATS, "GET /metrics");
    assertTrue(plain.head().contains("content-type: text/plain; charset=utf-8"), plain.head());
    Http open =
        Http.ask(
            node,
            Http.STATS,
            "GET /metrics",
            "Accept: text/plain;q=0.5,application/openmetrics-text;version=1.0.0");
    assertTrue(
        open.head()
            .contains("content-type: application/openmetrics-text;charset=utf-8;version=1.0.0"),
        open.head());
    assertEquals(404, Http.ask(node, Http.STATS, "GET /").status());
  }

  @Test
  void familiesThatAreNotStableSaySo() throws Exception {
    call();
    Journal.awaitRest(daemon);
    List<String> stable =
        List.of(
            "istio_build",
            "istio_tcp_connections_opened",
            "istio_tcp_connections_closed",
            "istio_tcp_received_bytes",
            "istio_tcp_sent_bytes",
            "process_open_fds",
            "process_max_fds");
    List<String> help =
        daemon.metrics().lines().filter(line -> line.startsWith("# HELP ")).toList();
    for (String line : help) {
      String family = line.split(" ", 4)[2];
      assertEquals(!stable.contains(family), line.contains("unstable"), line);
    }
    for (String family : stable) {
      assertTrue(help.stream().anyMatch(line -> line.contains(" " + family + " ")), family);
    }
  }

  @Test
  void aSeriesThatWentQuietIsNoLongerShownButAnOpenConnectionsIs() throws Exception {
    try (Socket held = PodSockets.connect(client, often.ipv4(), PORT)) {
      PodSockets.say(held, "hello");
      assertEquals("hellohello", PodSockets.hear(held, 10));
      assertEquals("yesyes", PodSockets.exchange(client, seldom.ipv4(), PORT, "yes"));
      Await.until("the series of the call that ended", () -> opened("seldom") == 1);
      Await.until("its end", () -> opened("seldom") == 0);
      assertEquals(1, opened("often"));
    }
  }

  /** How many series there are of connections to a workload. */
  private long opened(String workload) throws IOException {
    return forgetful
        .metrics()
        .lines()
        .filter(line -> line.startsWith("istio_tcp_connections_opened_total{"))
        .filter(line -> line.contains("destination_workload=\"" + workload + "-app\""))
        .count();
  }

  @Test
  void levelsChangeWhileItRuns() throws Exception {
    String initial = admin("POST /logging").toString();
    assertTrue(initial.startsWith("200 current log level is "), initial);
    try {
      Journal quiet = Journal.of(daemon);
      call();
      quiet.await("connection complete", "outbound");
      assertEquals(List.of(), quiet.access("connection opened"));

      String changed = admin("POST /logging?level=access=debug").toString();
      assertTrue(changed.contains("access=debug"), changed);
      Journal loud = Journal.of(daemon);
      call();
      assertTrue(loud.await("connection opened").startsWith("debug connection opened src.addr="));

      admin("POST /logging?level=error");
      assertTrue(admin("POST /logging").text().contains("error"), "not changed");
    } finally {
      assertEquals(
          initial, admin("POST /logging?reset").toString(), "not back at the initial levels");
    }
  }

  @Test
  void badLevelsAreRefused() throws Exception {
    assertEquals(405, admin("GET /logging").status());
    String refused = admin("POST /logging?level=nonsense").toString();
    assertTrue(refused.startsWith("400 Invalid level provided: nonsense\n"), refused);
  }

  @Test
  void theDumpShowsPodsAndTheirConnections() throws Exception {
    try (Socket held = PodSockets.connect(client, server.ipv4(), PORT)) {
      PodSockets.say(held, "hello");
      assertEquals("hellohello", PodSockets.hear(held, 10));
      String dump = admin("GET /config_dump").text().replaceAll("\\s+", "");
      String outbound =
          "\"outbound\":[{\"actualDst\":\"%1$s:15008\",\"originalDst\":\"%1$s:8080\",\"protocol\":\"HBONE\",\"src\":\"%2$s:%3$d\"}]"
              .formatted(
                  server.ipv4().getHostAddress(),
                  client.ipv4().getHostAddress(),
                  held.getLocalPort());
      assertTrue(
          dump.contains(
              "\"workloadState\":{\"uid-"
                  + client.namespace()
                  + "\":{\"connections\":{\"inbound\":[],"
                  + outbound
                  + "},\"info\":{\"name\":\"client\",\"namespace\":\"shop\",\"serviceAccount\":\"client\"},\"state\":\"Up\"}}"),
          dump);
      String remote =
          Http.ask(server.node(), Http.ADMIN, "GET /config_dump").text().replaceAll("\\s+", "");
      assertTrue(
          remote.contains(
              "\"inbound\":[{\"actualDst\":\"%s:8080\",\"originalDst\":null,\"protocol\":\"HBONE\",\"src\":\"%s:"
                  .formatted(server.ipv4().getHostAddress(), client.ipv4().getHostAddress())),
          remote);
    }
  }

  @Test
  void theDumpHasEverySectionOfTheReference() throws Exception {
    call(); // so that there is a certificate
    String dump = admin("GET /config_dump").text();
    assertEquals(
        List.of(
            "certificates",
            "config",
            "policies",
            "services",
            "stagedServices",
            "staticConfig",
            "version",
            "workloadState",
            "workloads"),
        dump.lines()
            .filter(line -> line.startsWith("  \""))
            .map(line -> line.replaceFirst("^  \"([^\"]+)\".*$", "$1"))
            .toList());
    for (String expected :
        List.of(
            "\"identity\": \"" + Entry.identity(client) + "\"",
            "\"state\": \"Available\"",
            "\"uid\": \"lab//Pod/shop/server\"",
            "\"hostname\": \"web.shop.svc.cluster.local\"",
            "\"proxyMode\": \"Shared\"")) {
      assertTrue(dump.contains(expected), () -> expected + " is not in\n" + dump);
    }
  }

  @Test
  void theAccessLogIsJsonWhereItIsAskedFor() throws Exception {
    Journal log = Journal.of(jsonDaemon);
    call();
    String line = log.awaitAny("connection complete");
    assertEquals(
        "{\"level\":\"info\",\"time\":\"*\",\"scope\":\"access\",\"message\":\"connection complete\",\"src.addr\":\"%1$s:*\",\"src.workload\":\"client\",\"src.namespace\":\"shop\",\"src.identity\":\"%2$s\",\"src.cluster\":\"Kubernetes\",\"dst.addr\":\"%3$s:15008\",\"dst.hbone_addr\":\"%3$s:8080\",\"dst.workload\":\"server\",\"dst.namespace\":\"shop\",\"dst.identity\":\"%4$s\",\"dst.cluster\":\"Kubernetes\",\"direction\":\"inbound\",\"bytes_sent\":22,\"bytes_recv\":11,\"duration\":\"*\"}"
            .formatted(
                client.ipv4().getHostAddress(),
                Entry.identity(client),
                server.ipv4().getHostAddress(),
                Entry.identity(server)),
        line.replaceFirst("\"time\":\"[0-9T:.-]+Z\"", "\"time\":\"*\"")
            .replaceFirst("(\"src.addr\":\"[0-9.]+):[0-9]+\"", "$1:*\"")
            .replaceFirst("\"duration\":\"[0-9]+ms\"", "\"duration\":\"*\""));
  }
}
