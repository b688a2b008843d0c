package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.hbone.ConnectRequest;
import io.ztunnel.hbone.InboundConnect;
import io.ztunnel.redirection.Lab;
import java.net.InetAddress;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Two clusters on two networks, each with a daemon that knows only its own pods: calls from the
 * west to a global service of the east go through the gateway of the east, in a tunnel within a
 * tunnel.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class AcrossNetworksIT {
  private static final int PORT = 8080;
  private static final Pattern UNKNOWN_LABEL = Pattern.compile("[a-z_]+=\"unknown\"");
  private static final String PORTS = "80: 8080, 81: 8081";
  private static final String AUTHORITY = Entry.hostname("echo") + ":80";
  private static final String ECHO = "10.96.0.1";
  private static final String IMPOSTOR = "10.96.0.2";
  private static final String NAMELESS = "10.96.0.3";
  private static final String DEAD = "10.96.0.4";
  private static final String UNKNOWN = "10.96.0.5";

  /** Behind a daemon that is the gateway; the others are behind one of the test's own. */
  private static final String GLOBAL = "10.96.0.6";

  private Scene scene;
  private Lab.Pod client;
  private Lab.Pod banned;
  private Lab.Pod server;
  private Lab.Pod second;
  private Lab.Pod gatewayPod;
  private Gateway gateway;
  private Lab.Pod daemonPod;
  private Daemon daemonAsGateway;
  private Daemon west;
  private Daemon east;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("networks");
    Lab.Node node1 = scene.lab().addNode();
    Lab.Node node2 = scene.lab().addNode();
    client = node1.addPod("client");
    banned = node1.addPod("banned");
    server = node2.addPod("server");
    second = node2.addPod("second");
    gatewayPod = node2.addPod("gateway", Lab.Without.REDIRECTION);
    daemonPod = node2.addPod("eastwest", Lab.Without.REDIRECTION);
    Lab.Pod deadGateway = node2.addPod("dead", Lab.Without.REDIRECTION);

    Cluster western = new Cluster(scene, "west", 1);
    Cluster eastern = new Cluster(scene, "east", 2);
    western.workload(western.pod(client));
    western.workload(western.pod(banned));
    for (Lab.Pod pod : List.of(gatewayPod, deadGateway, daemonPod)) {
      western.gateway(behind(pod), pod);
    }
    String sans = "[\"%s\", \"%s\"]".formatted(Entry.identity(server), Entry.identity(second));
    String nobody = "[\"spiffe://cluster.local/ns/shop/sa/x\"]";
    western.remote(behind(gatewayPod), "echo", ECHO, PORTS, sans, gatewayPod);
    western.remote(behind(gatewayPod), "impostor", IMPOSTOR, PORTS, nobody, gatewayPod);
    western.remote(behind(gatewayPod), "nameless", NAMELESS, PORTS, "[]", gatewayPod);
    western.remote(behind(deadGateway), "dead", DEAD, PORTS, sans, deadGateway);
    western.remote(behind(gatewayPod), "unknown", UNKNOWN, PORTS, sans, gatewayPod);
    western.remote(behind(daemonPod), "global", GLOBAL, PORTS, sans, daemonPod);

    List<String> services = List.of("echo", "impostor", "nameless", "global");
    for (Lab.Pod pod : List.of(server, second)) {
      Entry entry = eastern.pod(pod).with("authorizationPolicies", "[\"shop/no-banned\"]");
      services.forEach(service -> entry.serving(service, PORTS));
      eastern.workload(entry);
    }
    for (int i = 0; i < services.size(); i++) {
      eastern.service(services.get(i), "10.97.0." + (i + 1), PORTS);
    }
    Lab.Pod twin = node2.addPod("twin");
    eastern.workload(
        eastern.pod(twin).with("serviceAccount", second.name()).serving("global", PORTS));
    eastern.gateway(eastern, daemonPod);
    eastern.policy(
        Entry.policy(
            "no-banned",
            "WorkloadSelector",
            "Deny",
            "{principals: [!Exact cluster.local/ns/shop/sa/banned]}"));

    for (Lab.Pod pod : List.of(server, second, twin)) {
      scene.app(pod, PORT, App.ECHO_TWICE);
      scene.app(pod, PORT + 1, App.ECHO_AT_THE_END);
    }
    west = western.daemon(node1, Map.of(), client, banned);
    east = eastern.daemon(node2, Map.of(), server, second);
    east.add(twin, "shop", second.name());
    daemonAsGateway = eastern.gatewayDaemon(daemonPod, Map.of("GATEWAY_EXPORTS", "shop/global*"));
    gateway = new Gateway(scene.lab(), gatewayPod, server, second);
    scene.closeLater(gateway);
  }

  /** What the west knows of the east behind one gateway: as a network, so that only it is used. */
  private Cluster behind(Lab.Pod gateway) {
    return new Cluster(scene, "east", "net-" + gateway.name(), 2);
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  private static InetAddress ip(String text) {
    return InetAddress.ofLiteral(text);
  }

  @Test
  void aCallReachesAPodOfTheOtherNetworkAndBothEndsNameTheRealPeer() throws Exception {
    Journal westLog = Journal.of(west);
    Journal eastLog = Journal.of(east);
    Counters westBefore = Counters.of(west);
    Counters eastBefore = Counters.of(east);

    assertEquals(
        "hello worldhello world", PodSockets.exchange(client, ip(ECHO), 80, "hello world"));

    String gatewayIp = gatewayPod.ipv4().getHostAddress();
    String outbound = westLog.await("direction=\"outbound\"");
    String name = outbound.contains("\"server-app\"") ? "server" : "second";
    Lab.Pod reached = name.equals("server") ? server : second;
    assertEquals(
        ("info connection complete src.addr=%s:* src.workload=\"client\" src.namespace=\"shop\""
                + " src.identity=\"%s\" src.cluster=\"west\" dst.addr=%s:15008 dst.hbone_addr=%s"
                + " dst.service=\"echo.shop.svc.cluster.local\" dst.workload=\"%s-app\""
                + " dst.namespace=\"shop\" dst.identity=\"%s\" dst.cluster=\"east\""
                + " direction=\"outbound\" bytes_sent=11 bytes_recv=22 duration=\"*\"")
            .formatted(
                client.ipv4().getHostAddress(),
                Entry.identity(client),
                gatewayIp,
                AUTHORITY,
                name,
                Entry.identity(reached)),
        outbound);
    assertEquals(
        ("info connection complete src.addr=%s:* src.workload=\"client-name\""
                + " src.namespace=\"shop\" src.identity=\"%s\" src.cluster=\"west\""
                + " dst.addr=%s:15008 dst.hbone_addr=%s dst.service=\"echo.shop.svc.cluster.local\""
                + " dst.workload=\"%s\" dst.namespace=\"shop\" dst.identity=\"%s\""
                + " dst.cluster=\"east\" direction=\"inbound\" bytes_sent=22 bytes_recv=11"
                + " duration=\"*\"")
            .formatted(
                gatewayIp,
                Entry.identity(client),
                reached.ipv4().getHostAddress(),
                AUTHORITY,
                name,
                Entry.identity(reached)),
        eastLog.await("direction=\"inbound\""));
    assertEquals(
        Map.of(series("source", "client-name", "%s-app".formatted(name), name), 1.0),
        westBefore.growth("istio_tcp_connections_closed_total"));
    assertEquals(
        Map.of(series("destination", "client-app", "%s-name".formatted(name), name), 1.0),
        eastBefore.growth("istio_tcp_connections_closed_total"));

    ConnectRequest request =
        gateway.connects().stream()
            .map(InboundConnect::request)
            .filter(each -> each.authority().equals(AUTHORITY))
            .findFirst()
            .orElseThrow();
    assertEquals(null, request.forwardedNetwork());
    assertTrue(
        String.valueOf(request.baggage()).startsWith("k8s.cluster.name=west,"), request::toString);
    assertTrue(
        String.valueOf(request.forwarded()).endsWith(";host=echo.shop.svc.cluster.local"),
        request::toString);
  }

  /** An end that only its own baggage tells of has the workload's name for its app (Istio). */
  private static String series(
      String reporter, String sourceApp, String destinationApp, String destination) {
    return ("istio_tcp_connections_closed_total{reporter=\"%1$s\",source_workload=\"client-app\","
            + "source_canonical_service=\"client-name\",source_canonical_revision=\"v1\","
            + "source_workload_namespace=\"shop\","
            + "source_principal=\"spiffe://cluster.local/ns/shop/sa/client\",source_app=\"%2$s\","
            + "source_version=\"v1\",source_cluster=\"west\","
            + "destination_service=\"echo.shop.svc.cluster.local\","
            + "destination_service_namespace=\"shop\",destination_service_name=\"echo\","
            + "destination_workload=\"%4$s-app\",destination_canonical_service=\"%4$s-name\","
            + "destination_canonical_revision=\"v1\",destination_workload_namespace=\"shop\","
            + "destination_principal=\"spiffe://cluster.local/ns/shop/sa/%4$s\","
            + "destination_app=\"%3$s\",destination_version=\"v1\",destination_cluster=\"east\","
            + "request_protocol=\"tcp\",response_flags=\"-\","
            + "connection_security_policy=\"mutual_tls\",source_region=\"r1\",source_zone=\"z1\","
            + "destination_region=\"r2\",destination_zone=\"z2\"}")
        .formatted(reporter, sourceApp, destinationApp, destination);
  }

  @Test
  void callsShareConnectionsAndAreSpreadOverTheBackends() throws Exception {
    Journal log = Journal.of(east);
    int asked = gateway.connects().size();
    for (int i = 0; i < 120; i++) {
      assertEquals("hihi", PodSockets.exchange(client, ip(ECHO), 80, "hi"));
    }
    Await.until("all calls are logged", () -> log.access("direction=\"inbound\"").size() == 120);
    for (String name : List.of("server", "second")) {
      int share = log.access("dst.workload=\"" + name + "\"").size();
      assertTrue(share >= 36, () -> name + " has " + share + " of 120");
    }
    int connections = gateway.connects().size() - asked;
    assertTrue(connections < 60, () -> "120 calls in " + connections + " connections");
  }

  @ParameterizedTest
  @ValueSource(strings = {ECHO, GLOBAL})
  void megabytesGoBothWaysTheAnswerAfterTheClientHasEnded(String service) throws Exception {
    PodSockets.megabytesComeBack(client, ip(service), 81);
  }

  @Test
  void aDaemonIsTheGateway() throws Exception {
    Journal westLog = Journal.of(west);
    Journal eastLog = Journal.of(east);

    assertEquals(
        "hello worldhello world", PodSockets.exchange(client, ip(GLOBAL), 80, "hello world"));

    String outbound = westLog.await("direction=\"outbound\"");
    assertTrue(
        outbound.contains(" dst.addr=%s:15008 ".formatted(daemonPod.ipv4().getHostAddress())),
        outbound);
    assertTrue(outbound.contains(" dst.cluster=\"east\" "), outbound);
    String inbound = eastLog.await("direction=\"inbound\"");
    assertTrue(
        inbound.contains(" src.identity=\"%s\" ".formatted(Entry.identity(client))), inbound);
    assertTrue(inbound.contains(" src.cluster=\"west\" "), inbound);
    assertTrue(
        Counters.sum(Counters.read(daemonAsGateway), "ztunnel_gateway_tunnels_open") > 0,
        "inner connections are kept, and with them the gateway's tunnels");
  }

  @Test
  void nothingThatACertificateOrBaggageTellsIsUnknownAnywhereOnTheWay() throws Exception {
    Journal.awaitRest(west);
    Journal.awaitRest(east);
    Counters westBefore = Counters.of(west);
    Counters eastBefore = Counters.of(east);
    assertEquals("hihi", PodSockets.exchange(client, ip(GLOBAL), 80, "hi"));
    Await.until(
        "both ends have counted",
        () ->
            westBefore.growth("istio_tcp_connections_closed_total", "source_cluster") == 1
                && eastBefore.growth("istio_tcp_connections_closed_total", "source_cluster") == 1);
    assertEquals(Set.of(), unknown(westBefore.growth("istio_tcp_").keySet()));
    assertEquals(Set.of(), unknown(eastBefore.growth("istio_tcp_").keySet()));
    // The pod's certificate is shown to the client only, within the tunnel.
    Set<String> ofGateway = Counters.read(daemonAsGateway).keySet();
    assertTrue(
        ofGateway.stream()
            .anyMatch(
                series ->
                    series.startsWith("istio_tcp_connections_opened_total")
                        && series.contains("source_workload=\"client-app\"")),
        ofGateway::toString);
    assertEquals(Set.of("destination_principal=\"unknown\""), unknown(ofGateway));
  }

  /** The labels of connections that say {@code unknown}. */
  private static Set<String> unknown(Set<String> series) {
    return series.stream()
        .filter(each -> each.startsWith("istio_tcp_") && each.contains("source_cluster="))
        .flatMap(each -> UNKNOWN_LABEL.matcher(each).results())
        .map(MatchResult::group)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  @Test
  void aDaemonThatIsTheGatewaySpreadsCallsOverThePods() throws Exception {
    Journal log = Journal.of(east);
    for (int i = 0; i < 60; i++) {
      assertEquals("hihi", PodSockets.exchange(client, ip(GLOBAL), 80, "hi"));
    }
    Await.until("all calls are logged", () -> log.access("direction=\"inbound\"").size() == 60);
    for (String name : List.of("server", "second")) {
      int share = log.access("dst.workload=\"" + name + "\"").size();
      assertTrue(share >= 15, () -> name + " has " + share + " of 60");
    }
  }

  @Test
  void podsOfOneAccountAreToldApart() throws Exception {
    String gatewayAddress = daemonPod.ipv4().getHostAddress() + ":15008";
    Await.until(
        "three backends are known by two identities",
        () -> {
          assertEquals("hihi", PodSockets.exchange(client, ip(GLOBAL), 80, "hi"));
          return Counters.sum(
                  Counters.read(west),
                  "ztunnel_remote_gateway_backends",
                  "gateway=\"" + gatewayAddress + "\"")
              == 3;
        });
  }

  @Test
  void aPolicyOverThereJudgesTheInnerIdentity() throws Exception {
    Journal westLog = Journal.of(west);
    Journal eastLog = Journal.of(east);

    PodSockets.isReset(banned, ip(ECHO), 80);

    String denied = eastLog.await("direction=\"inbound\"");
    assertTrue(denied.startsWith("error connection complete"), denied);
    assertTrue(
        denied.contains(" src.identity=\"spiffe://cluster.local/ns/shop/sa/banned\" "), denied);
    assertTrue(denied.contains("explicitly denied by: shop/no-banned"), denied);
    String line = westLog.await("direction=\"outbound\"");
    assertTrue(
        line.endsWith(
            " error=\"http status: 401 Unauthorized\" reason=\"http_status\""
                + " detail=\"beyond gateway %s:15008\""
                    .formatted(gatewayPod.ipv4().getHostAddress())),
        line);
  }

  @Test
  void aPeerThatTheServiceDoesNotNameIsRefused() throws Exception {
    isRefused(
        IMPOSTOR,
        "peer did not present the expected SAN (spiffe://cluster.local/ns/shop/sa/x), got"
            + " spiffe://cluster.local/ns/shop/sa/s");
  }

  @Test
  void aServiceThatNamesNobodyIsNotReached() throws Exception {
    isRefused(
        NAMELESS,
        "peer did not present the expected SAN (), got spiffe://cluster.local/ns/shop/sa/s");
  }

  @Test
  void aServiceThatTheOtherNetworkDoesNotKnowFails() throws Exception {
    isRefused(UNKNOWN, "error=\"http status: 503 Service Unavailable\"");
  }

  @Test
  void aGatewayThatIsAwayIsNamed() throws Exception {
    isRefused(
        DEAD, "dst.workload=\"dead\"", "Connection refused: /", "reason=\"hbone_connect_refused\"");
  }

  private void isRefused(String vip, String... said) throws Exception {
    Journal log = Journal.of(west);
    PodSockets.isReset(client, ip(vip), 80);
    String line = log.await("direction=\"outbound\"");
    TreeSet<String> missing = new TreeSet<>(List.of(said));
    missing.removeIf(line::contains);
    assertEquals(new TreeSet<>(), missing, line);
    assertTrue(line.startsWith("error connection complete"), line);
  }
}
