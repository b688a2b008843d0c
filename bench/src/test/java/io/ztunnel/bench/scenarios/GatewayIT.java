package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.hbone.ConnectRequest;
import io.ztunnel.hbone.TestPki;
import io.ztunnel.identity.CaServer;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A gateway into network-2, asked by members of network-1. Its endpoints are programs that say
 * their names on port 15008, and one real daemon of a node.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GatewayIT {
  private static final int HBONE = 15008;
  private static final int BRIDGE = 20008;
  private static final int PORT = 8080;
  private static final String HERE = "network-2";
  private static final String SANS = "[\"spiffe://cluster.local/ns/shop/sa/remote\"]";

  private Scene scene;
  private Lab.Pod gatewayPod;
  private Lab.Pod limitedPod;
  private Lab.Pod leavingPod;
  private Lab.Pod certifiedPod;
  private Lab.Pod outside;
  private Lab.Pod server;
  private Lab.Pod one;
  private Daemon gateway;
  private Daemon nodeDaemon;
  private MeshClient client;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("gateway");
    Lab.Node node = scene.lab().addNode();
    gatewayPod = member(node, "gateway");
    limitedPod = member(node, "limited");
    leavingPod = member(node, "leaving");
    certifiedPod = member(node, "certified");
    outside = node.addPod("outside", Lab.Without.REDIRECTION);
    one = endpoint(node, "one", "spread", "private", "both", "failing");
    Lab.Pod _ = endpoint(node, "two", "spread");
    Lab.Pod _ = endpoint(node, "three", "spread");
    Lab.Pod _ = endpoint(node, "behind", "guarded", "ingress");
    Lab.Pod _ = endpoint(node, "way", "way");
    Lab.Pod silent = node.addPod("silent", Lab.Without.REDIRECTION); // nobody listens
    scene.workload(in(HERE, silent).serving("failing", 80, PORT));
    server = node.addPod("server");
    scene.workload(in(HERE, server).serving("real", 80, PORT));
    scene.app(server, PORT, App.ECHO_TWICE);
    elsewhere("both-remote", "both");
    elsewhere("empty-remote", "empty");

    exported("spread", "10.97.0.1");
    exported("failing", "10.97.0.2");
    scene.service(
        Entry.service("real", "10.97.0.3", "{80: 8080}")
            .with("vips", "[\"network-2/10.97.0.3\", \"network-1/10.96.0.3\"]"));
    exported("empty", "10.97.0.4");
    scene.service(service("both", "10.97.0.5")); // seen to be global by its remote endpoint
    scene.service(service("private", "10.97.0.6"));
    String way =
        "{destination: \"shop/%s\", hboneMtlsPort: 15008}".formatted(Entry.hostname("way"));
    scene.service(
        service("guarded", "10.97.0.7").with("subjectAltNames", SANS).with("waypoint", way));
    scene.service(
        service("ingress", "10.97.0.8")
            .with("subjectAltNames", SANS)
            .with("waypoint", way)
            .with("ingressUseWaypoint", "true"));
    scene.service(service("way", "10.97.0.9").with("ports", "{15008: 15008}"));

    nodeDaemon = scene.daemon(node, Map.of("NETWORK", HERE), server);
    gateway = scene.gateway(gatewayPod, Map.of("NETWORK", HERE));
    client = client("client");
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  private MeshClient client(String account) throws IOException {
    MeshClient made = new MeshClient(scene.lab(), outside, identity(account));
    scene.closeLater(made);
    return made;
  }

  private static String identity(String account) {
    return "spiffe://cluster.local/ns/shop/sa/" + account;
  }

  private static Entry in(String network, Lab.Pod pod) {
    return Entry.workload(pod, pod.ipv4(), pod.ipv6()).with("network", network);
  }

  private Lab.Pod member(Lab.Node node, String name) throws IOException {
    Lab.Pod pod = node.addPod(name, Lab.Without.REDIRECTION);
    scene.workload(in(HERE, pod));
    return pod;
  }

  private Lab.Pod endpoint(Lab.Node node, String name, String... services) throws IOException {
    Lab.Pod pod = node.addPod(name, Lab.Without.REDIRECTION);
    Entry entry = in(HERE, pod);
    for (String service : services) {
      entry.serving(service, 80, PORT);
    }
    scene.workload(entry);
    scene.app(pod, HBONE, App.saying(name));
    return pod;
  }

  /** Stands for many endpoints of another network, as a control plane tells of them. */
  private void elsewhere(String name, String service) {
    scene.workload(
        Entry.workload(name)
            .with("network", "network-1")
            .with("capacity", "1000")
            .with(
                "networkGateway", "{destination: \"network-1/203.0.113.1\", hboneMtlsPort: 15008}")
            .serving(service, 80, PORT));
  }

  private static Entry service(String name, String vip) {
    return Entry.service(name, vip, "{80: 8080}").with("vips", "[\"network-2/" + vip + "\"]");
  }

  private void exported(String name, String vip) {
    scene.service(service(name, vip).with("subjectAltNames", SANS));
  }

  private static String authority(String service) {
    return Entry.hostname(service) + ":80";
  }

  private String call(String authority) throws IOException {
    return client.connect(gatewayPod, authority).exchange("hello");
  }

  @Test
  void anExportedServiceIsReachedByNameAndByAddressAndLogged() throws Exception {
    Journal log = Journal.of(gateway);
    assertTrue(Set.of("one", "two", "three").contains(call("10.97.0.1:80")));
    assertEquals("one", call(authority("both")));
    assertEquals(
        "info connection complete src.addr=%s:* src.namespace=\"shop\" src.identity=\"spiffe://cluster.local/ns/shop/sa/client\" dst.addr=%s:15008 dst.hbone_addr=%s dst.service=\"%s\" dst.workload=\"one\" dst.namespace=\"shop\" dst.cluster=\"Kubernetes\" direction=\"inbound\" bytes_sent=3 bytes_recv=5 duration=\"*\""
            .formatted(
                outside.ipv4().getHostAddress(),
                one.ipv4().getHostAddress(),
                authority("both"),
                Entry.hostname("both")),
        log.await("both"));
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource({
    "private.shop.svc.cluster.local:80, 403, not_exported, shop/private.shop.svc.cluster.local",
    "10.97.0.6:80, 403, not_exported, shop/private.shop.svc.cluster.local",
    "nowhere.shop.svc.cluster.local:80, 404, service_unknown, nowhere.shop.svc.cluster.local:80",
    "SPREAD.shop.svc.cluster.local:80, 404, service_unknown, SPREAD",
    "10.99.9.9:80, 404, service_unknown, 10.99.9.9:80",
    "spread.shop.svc.cluster.local:81, 404, service_port_unknown, has no port 81",
    "empty.shop.svc.cluster.local:80, 503, no_healthy_upstream, empty.shop.svc.cluster.local",
    "no-authority, 400, authority_invalid, no-authority"
  })
  void aRefusalSaysWhyByItsStatusAndInTheLog(
      String authority, int status, String reason, String detail) throws Exception {
    Counters before = Counters.of(gateway);
    Journal log = Journal.now(gateway);
    assertEquals(status, client.connect(gatewayPod, authority).status());
    log.awaitAny("\taccess\t", "reason=\"" + reason + "\"", detail);
    assertEquals(
        1,
        before.growth(
            "ztunnel_connection_failures_total",
            "reporter=\"gateway\"",
            "reason=\"" + reason + "\""));
  }

  @Test
  void addressesOfPodsAreNotServed() throws Exception {
    String pod = one.ipv4().getHostAddress() + ":15008";
    assertEquals(404, client.connect(gatewayPod, pod).status());
  }

  @Test
  void endpointsOfAnotherNetworkAreNeverChosen() throws Exception {
    Set<String> answers = new TreeSet<>();
    for (int i = 0; i < 20; i++) {
      answers.add(call(authority("both")));
    }
    assertEquals(Set.of("one"), answers);
  }

  @Test
  void whatTheClientSaysOfItselfIsInLogAndMetricsAndItsIdentityIsItsCertificates()
      throws Exception {
    Journal log = Journal.of(gateway);
    Counters before = Counters.of(gateway);
    ConnectRequest request =
        new ConnectRequest(
            authority("both"),
            "k8s.cluster.name=west,k8s.namespace.name=fake,k8s.deployment.name=web-app,service.name=web,service.version=v7,cloud.region=r1,cloud.availability_zone=z1",
            null,
            null,
            null);
    assertEquals("one", client.connect(gatewayPod, request).exchange(""));
    String line = log.await("both");
    assertTrue(
        line.contains(
            " src.workload=\"web\" src.namespace=\"shop\" src.identity=\"%s\" src.cluster=\"west\" dst.addr="
                .formatted(identity("client"))),
        line);
    assertEquals(
        Map.of(
            "istio_tcp_connections_closed_total{reporter=\"gateway\",source_workload=\"web-app\",source_canonical_service=\"web\",source_canonical_revision=\"v7\",source_workload_namespace=\"shop\",source_principal=\"%s\",source_app=\"web-app\",source_version=\"v7\",source_cluster=\"west\",destination_service=\"%s\",destination_service_namespace=\"shop\",destination_service_name=\"both\",destination_workload=\"one-app\",destination_canonical_service=\"one-name\",destination_canonical_revision=\"v1\",destination_workload_namespace=\"shop\",destination_principal=\"unknown\",destination_app=\"one-name\",destination_version=\"v1\",destination_cluster=\"Kubernetes\",request_protocol=\"tcp\",response_flags=\"-\",connection_security_policy=\"mutual_tls\",source_region=\"r1\",source_zone=\"z1\",destination_region=\"unknown\",destination_zone=\"unknown\"}"
                .formatted(identity("client"), Entry.hostname("both")),
            1.0),
        before.growth("istio_tcp_connections_closed_total"));
  }

  private String explain(String query) throws IOException {
    return Http.ask(gatewayPod, Http.ADMIN, "GET /debug/explain?" + query).text();
  }

  @Test
  void anExplanationSaysWhatTheTunnelThenMeets() throws Exception {
    String from = "src=" + identity("client") + "&dst=";
    String passed = explain(from + Entry.hostname("both") + "&port=80");
    assertTrue(
        passed.startsWith(
            """
            CONNECT %1$s:80 from %2$s, a caller of kind node
            gateway
              authority %1$s:80 names service shop/%1$s, visibility Public
              service shop/%1$s is exported to other networks: it has endpoints behind another network's gateway
              endpoints of service shop/%1$s for its port 80: 2 known; mode Standard
                lab//Pod/shop/both-remote: dropped: it is not in this network, or has no address
                lab//Pod/shop/one: can be used
            """
                .formatted(Entry.hostname("both"), identity("client"))),
        passed);
    assertTrue(
        passed.endsWith(
            "verdict: elsewhere: passed on to lab//Pod/shop/one, which asks the policies\n"),
        passed);
    String refused = explain(from + Entry.hostname("private") + "&port=80");
    assertTrue(
        refused.contains("is not exported to other networks: nothing of it is seen")
            && refused.endsWith("; the client hears 403\n"),
        refused);
    assertEquals(403, client.connect(gatewayPod, authority("private")).status());
    String behind = explain(from + Entry.hostname("guarded") + "&port=80&caller=waypoint");
    assertTrue(behind.contains("which a caller of kind waypoint does not pass"), behind);
    assertTrue(behind.contains("passed on to lab//Pod/shop/behind,"), behind);
    String unknown = explain(from + "10.99.9.9&port=80");
    assertTrue(
        unknown.endsWith(
            "verdict: failed: no service for authority: 10.99.9.9:80; the client hears 404\n"),
        unknown);
    assertTrue(
        explain("src=shop/client&dst=x&port=80")
            .startsWith("src: shop/client (expected: spiffe://"));
  }

  private double open(String metric) throws IOException {
    return Counters.sum(Counters.read(gateway), "ztunnel_gateway_" + metric);
  }

  @Test
  void openTunnelsAreSpreadEvenlyAndCounted() throws Exception {
    Journal.awaitRest(gateway);
    Map<String, Integer> reached = new TreeMap<>();
    List<MeshClient.Answer> open = new ArrayList<>();
    for (int i = 0; i < 30; i++) {
      MeshClient.Answer answer = client.connect(gatewayPod, authority("spread"));
      assertEquals(200, answer.status());
      open.add(answer);
    }
    assertEquals(30, open("tunnels_open"));
    assertEquals(3, open("endpoints_open"));
    assertEquals(10, open("endpoint_tunnels{rank=\"most\"}"));
    assertEquals(10, open("endpoint_tunnels{rank=\"fewest\"}"));
    assertEquals(1, open("sources_open"));
    for (MeshClient.Answer answer : open) {
      reached.merge(answer.exchange(""), 1, Integer::sum);
    }
    assertEquals(Map.of("one", 10, "two", 10, "three", 10), reached);
    Await.equal(0.0, () -> open("tunnels_open"));
    Await.equal(0.0, () -> open("endpoints_open"));
  }

  @Test
  void anEndpointThatDoesNotAnswerIsPassedOver() throws Exception {
    for (int i = 0; i < 10; i++) {
      assertEquals("one", call(authority("failing")));
    }
    assertTrue(open("retries_total") >= 1, "nothing was retried");
  }

  @ParameterizedTest(name = "{0} from {1}")
  @CsvSource({
    "guarded, , way",
    "guarded, sidecar, way",
    "guarded, waypoint, behind",
    "guarded, gateway, behind",
    "ingress, gateway, way",
    "ingress, waypoint, behind"
  })
  void aServicesWaypointIsPassedAsTheCallerRequires(String service, String caller, String reached)
      throws Exception {
    ConnectRequest request = new ConnectRequest(authority(service), "", null, null, null, caller);
    assertEquals(reached, client.connect(gatewayPod, request).exchange(""));
  }

  /** The outer tunnel of the client ends at the gateway, the inner one at the pod's own daemon. */
  @Test
  void anInnerTunnelEndsAtTheNodeWithTheClientsOwnIdentity() throws Exception {
    App _ =
        scene.app(
            outside,
            BRIDGE,
            connection -> client.connect(gatewayPod, authority("real")).carry(connection));
    InetSocketAddress bridge = new InetSocketAddress(outside.ipv4(), BRIDGE);
    ConnectRequest request = new ConnectRequest(authority("real"), "", null, null, "network-1");
    Journal node = Journal.now(nodeDaemon);
    try (MeshClient caller = new MeshClient(scene.lab(), outside, identity("caller"))) {
      assertEquals("hihi", caller.connect(server, bridge, request).exchange("hi"));
    }
    String line = node.awaitAny("connection complete", "direction=\"inbound\"");
    assertTrue(line.contains("src.identity=\"" + identity("caller") + "\""), line);
  }

  @Test
  void itsCertificateIsAskedForAsTheCallerWithItsOwnToken() throws Exception {
    TestPki controlPlane = TestPki.root("control plane");
    NodeCa ca =
        NodeCa.start(
            scene, certifiedPod, controlPlane, TestPki.root("mesh").intermediate("istiod"));
    ca.server().callerIs(Entry.identity(certifiedPod));
    ca.server().validFor(Duration.ofSeconds(40)); // so short that it is always due for renewal
    Daemon certified = scene.gateway(certifiedPod, ca.environment(Map.of("NETWORK", HERE)));
    CaServer.Call first = ca.server().calls().getFirst();
    assertEquals(Entry.identity(certifiedPod), first.identity());
    assertEquals("Bearer first-token", first.token());
    assertTrue(
        certified.configDump().contains("\"identity\": \"" + Entry.identity(certifiedPod) + "\""),
        "not in the dump");
    // Whoever asks in a name gets that; one who asks as itself is who the CA takes it for.
    ca.server().callerIs(identity("somebody"));
    Await.until(
        "a renewal is asked for without a name",
        () -> ca.server().asked().contains(identity("somebody")));
  }

  @Test
  void oneSourceCannotTakeWhatOthersNeed() throws Exception {
    Daemon limited =
        scene.gateway(
            limitedPod,
            Map.of(
                "NETWORK",
                HERE,
                "GATEWAY_EXPORTS",
                "other/*, shop/spread.*",
                "GATEWAY_MAX_SOURCE_TUNNELS",
                "3",
                "GATEWAY_MAX_SOURCE_CONNECTIONS",
                "2"));
    Journal log = Journal.now(limited);
    MeshClient greedy = client("greedy");
    List<MeshClient.Answer> open = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      open.add(greedy.connect(limitedPod, authority("spread")));
      assertEquals(200, open.getLast().status());
    }
    assertEquals(429, greedy.connect(limitedPod, authority("spread")).status());
    log.awaitAny("reason=\"source_tunnels_limit\"", "sa/greedy has 3");

    MeshClient modest = client("modest");
    assertEquals(200, modest.connect(limitedPod, authority("spread")).status());
    assertEquals(403, modest.connect(limitedPod, authority("real")).status(), "not in the list");

    open.getFirst().reset();
    Await.equal(200, () -> greedy.connect(limitedPod, authority("spread")).status());

    MeshClient second = client("greedy");
    assertEquals(429, second.connect(limitedPod, authority("spread")).status());
    open.get(1).reset();
    open.get(2).reset();
    Await.equal(200, () -> second.connect(limitedPod, authority("spread")).status());
    MeshClient third = client("greedy");
    assertEquals(429, third.connect(limitedPod, authority("spread")).status());
    log.awaitAny("reason=\"source_connections_limit\"", "sa/greedy has 2");
  }

  @Test
  void aGatewayThatEndsSendsNewTunnelsElsewhereAndLetsOpenOnesGoOn() throws Exception {
    Daemon leaving =
        scene.gateway(
            leavingPod,
            Map.of(
                "NETWORK",
                HERE,
                "CONNECTION_TERMINATION_DEADLINE",
                "10s",
                "ZTUNNEL_HANDOVER_WAIT",
                "0s"));
    Journal log = Journal.now(leaving);
    MeshClient.Answer open = client.connect(leavingPod, authority("spread"));
    assertEquals(200, open.status());
    CompletableFuture<Void> ended =
        CompletableFuture.runAsync(
            () -> {
              try {
                leaving.close();
              } catch (IOException e) {
                throw new IllegalStateException(e);
              }
            });
    log.awaitAny("no other process has taken the listeners over");
    // A new connection is tried, and refused: the pool has left the old one at its GOAWAY.
    Await.until(
        "new tunnels are refused",
        () -> {
          try {
            client.connect(leavingPod, authority("spread")).reset();
            return false;
          } catch (IOException e) {
            return String.valueOf(e.getMessage()).contains("refused");
          }
        });
    assertTrue(Set.of("one", "two", "three").contains(open.exchange("")));
    ended.get(20, TimeUnit.SECONDS);
    log.awaitAny("shutdown complete");
  }
}
