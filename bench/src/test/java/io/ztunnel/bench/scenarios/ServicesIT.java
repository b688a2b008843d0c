package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.net.InetAddress;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** Calls to services: which endpoint they reach, and what happens when there is none. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ServicesIT {
  private static final int PORT = 8080;
  private static final int OTHER_PORT = 9090;
  private static final String BALANCED = "10.96.0.1";
  private static final String NAMED = "10.96.0.2";
  private static final String STRICT = "10.96.0.3";
  private static final String STRICT_FAR = "10.96.0.4";
  private static final String FAILOVER = "10.96.0.5";
  private static final String FAILOVER_FAR = "10.96.0.6";
  private static final String MIXED = "10.96.0.7";
  private static final String ILL = "10.96.0.8";
  private static final String ILL_ALLOWED = "10.96.0.9";
  private static final String EMPTY = "10.96.0.10";

  private Scene scene;
  private Lab.Node node2;
  private Lab.Pod client;
  private Lab.Pod one;
  private Lab.Pod two;
  private Lab.Pod outsider;
  private Daemon daemon1;
  private Daemon daemon2;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("services");
    Lab.Node node1 = scene.lab().addNode();
    node2 = scene.lab().addNode();
    client = scene.pod(node1, "client");
    outsider = node1.addPod("outsider", Lab.Without.REDIRECTION);
    one = node1.addPod("one");
    two = node2.addPod("two");
    Lab.Pod ill = node2.addPod("ill");

    String strict = balancer("Strict", "OnlyHealthy");
    String failover = balancer("Failover", "OnlyHealthy");
    scene.service(Entry.service("balanced", BALANCED, "{80: 8080}"));
    scene.service(Entry.service("named", NAMED, "{80: 0}"));
    scene.service(Entry.service("strict", STRICT, "{80: 8080}").with("loadBalancer", strict));
    scene.service(
        Entry.service("strictfar", STRICT_FAR, "{80: 8080}").with("loadBalancer", strict));
    scene.service(
        Entry.service("failover", FAILOVER, "{80: 8080, 81: 9090}").with("loadBalancer", failover));
    scene.service(
        Entry.service("failoverfar", FAILOVER_FAR, "{80: 8080}").with("loadBalancer", failover));
    scene.service(Entry.service("mixed", MIXED, "{80: 8080}"));
    scene.service(Entry.service("ill", ILL, "{80: 8080}"));
    scene.service(
        Entry.service("illallowed", ILL_ALLOWED, "{80: 8080}")
            .with("loadBalancer", balancer("Standard", "AllowAll")));
    scene.service(Entry.service("empty", EMPTY, "{80: 8080}"));
    scene.service(
        Entry.service("passthrough", node2.ipv4().getHostAddress(), "{8080: 9999}")
            .with("loadBalancer", balancer("Passthrough", "OnlyHealthy")));
    scene.workload(
        Entry.workload(one, one.ipv4(), one.ipv6())
            .serving("balanced", 80, PORT)
            .serving("named", "")
            .serving("strict", 80, PORT)
            .serving("failover", "80: 8080, 81: 9090")
            .serving("mixed", 80, PORT));
    scene.workload(
        Entry.workload(two, two.ipv4(), two.ipv6())
            .serving("balanced", 80, PORT)
            .serving("named", 80, OTHER_PORT)
            .serving("strict", 80, PORT)
            .serving("strictfar", 80, PORT)
            .serving("failover", "80: 8080, 81: 9090")
            .serving("failoverfar", 80, PORT));
    scene.workload(
        Entry.workload(ill, ill.ipv4(), ill.ipv6())
            .with("status", "Unhealthy")
            .serving("mixed", 80, PORT)
            .serving("ill", 80, PORT)
            .serving("illallowed", 80, PORT));
    scene.app(one, PORT, App.saying("one"));
    scene.app(two, PORT, App.saying("two"));
    scene.app(two, OTHER_PORT, App.saying("two:9090"));
    scene.app(ill, PORT, App.saying("ill"));
    scene.app(node2, PORT, App.saying("node"));
    daemon1 = scene.daemon(node1, Map.of(), client, one);
    daemon2 = scene.daemon(node2, Map.of(), two, ill);
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  private static String balancer(String mode, String health) {
    return "{routingPreferences: [Node], mode: %s, healthPolicy: %s}".formatted(mode, health);
  }

  private String call(String vip) throws IOException {
    return call(vip, 80);
  }

  private String call(String vip, int port) throws IOException {
    return PodSockets.exchange(client, InetAddress.ofLiteral(vip), port, "who?");
  }

  /** Who answered, how often. */
  private Map<String, Integer> calls(String vip, int count) throws IOException {
    Map<String, Integer> answers = new TreeMap<>();
    for (int i = 0; i < count; i++) {
      answers.merge(call(vip), 1, Integer::sum);
    }
    return answers;
  }

  private void isRefused(String vip) throws IOException {
    Journal log = Journal.of(daemon1);
    Counters before = Counters.of(daemon1);
    PodSockets.isReset(client, InetAddress.ofLiteral(vip), 80);
    assertEquals(
        "warn connection failed src.addr=%s:* dst.addr=%s:80 direction=\"outbound\" error=\"no healthy upstream: %s:80\" reason=\"no_healthy_upstream\""
            .formatted(client.ipv4().getHostAddress(), vip, vip),
        log.await("dst.addr=" + vip + ":80"));
    assertEquals(0, before.growth("istio_tcp_connections_opened_total", "reporter"));
  }

  /** Such as that of metrics, which nothing serves: the near pod listens at one port only. */
  @Test
  void aClosedPortTakesThePodFromNoOtherPort() throws Exception {
    for (int i = 0; i < 5; i++) {
      assertEquals("two:9090", call(FAILOVER, 81), "the near one refuses, the far one does not");
      assertEquals("one", call(FAILOVER, 80), "which says nothing of this port");
    }
  }

  @Test
  void callsAreSpreadOverEndpointsAndNameTheService() throws Exception {
    Counters before1 = Counters.of(daemon1);
    Counters before2 = Counters.of(daemon2);
    String service =
        "destination_service=\"balanced.shop.svc.cluster.local\",destination_service_namespace=\"shop\",destination_service_name=\"balanced\"";

    Map<String, Integer> answers = calls(BALANCED, 50);

    assertEquals(50, answers.values().stream().mapToInt(n -> n).sum());
    assertEquals("[one, two]", answers.keySet().toString());
    Await.equal(
        50.0,
        () -> before1.growth("istio_tcp_connections_closed_total", "reporter=\"source\"", service));
    Await.equal(
        (double) answers.getOrDefault("two", 0),
        () ->
            before2.growth(
                "istio_tcp_connections_closed_total",
                "reporter=\"destination\"",
                service,
                "destination_principal=\"" + Entry.identity(two) + "\""));
  }

  @Test
  void theLogNamesTheServiceAndThePortBehindIt() throws Exception {
    Journal log1 = Journal.of(daemon1);
    Journal log2 = Journal.of(daemon2);
    assertEquals("two", call(FAILOVER_FAR));
    String destination =
        "dst.addr=%1$s:15008 dst.hbone_addr=%1$s:8080 dst.service=\"failoverfar.shop.svc.cluster.local\" dst.workload=\"two\""
            .formatted(two.ipv4().getHostAddress());
    String outbound = log1.await("direction=\"outbound\"");
    assertTrue(outbound.contains(destination), outbound);
    String inbound = log2.await("direction=\"inbound\"");
    assertTrue(inbound.contains(destination), inbound);
  }

  @Test
  void aNamedTargetPortIsTheEndpointsOwn() throws Exception {
    assertEquals(Map.of("two:9090", 10), calls(NAMED, 10));
  }

  @Test
  void strictStaysInScope() throws Exception {
    assertEquals(Map.of("one", 10), calls(STRICT, 10));
  }

  @Test
  void strictFailsRatherThanLeaveItsScope() throws Exception {
    isRefused(STRICT_FAR);
  }

  @Test
  void failoverPrefersItsScope() throws Exception {
    assertEquals(Map.of("one", 10), calls(FAILOVER, 10));
  }

  @Test
  void failoverLeavesItsScopeWhenItMust() throws Exception {
    assertEquals(Map.of("two", 2), calls(FAILOVER_FAR, 2));
  }

  @Test
  void anUnhealthyEndpointIsPassedOver() throws Exception {
    assertEquals(Map.of("one", 10), calls(MIXED, 10));
  }

  @Test
  void unhealthyEndpointsAreNoEndpoints() throws Exception {
    isRefused(ILL);
  }

  @Test
  void unhealthyEndpointsServeWhereAllAreAllowed() throws Exception {
    assertEquals("ill", call(ILL_ALLOWED));
  }

  @Test
  void aServiceWithoutEndpointsFails() throws Exception {
    isRefused(EMPTY);
  }

  @Test
  void aPortThatTheServiceDoesNotHaveFails() throws Exception {
    PodSockets.isReset(client, InetAddress.ofLiteral(BALANCED), 81);
  }

  @Test
  void aPassthroughServiceGoesWhereItWasAddressed() throws Exception {
    Journal log = Journal.of(daemon1);
    assertEquals("node", PodSockets.exchange(client, node2.ipv4(), PORT, "who?"));
    String line = log.await("direction=\"outbound\"");
    assertTrue(
        line.contains("dst.addr=" + node2.ipv4().getHostAddress() + ":8080 direction"), line);
  }

  @Test
  void aTunnelMayNameTheServiceInsteadOfAnAddress() throws Exception {
    try (MeshClient mesh = new MeshClient(scene.lab(), outsider, Entry.identity(client))) {
      MeshClient.Answer answer = mesh.connect(two, Entry.hostname("balanced") + ":80");
      assertEquals(200, answer.status());
      assertEquals("two", answer.exchange("who?"));
    }
  }

  @Test
  void aTunnelToANamedPortEndsAtTheEndpointsOwn() throws Exception {
    Journal log = Journal.of(daemon2);
    try (MeshClient mesh = new MeshClient(scene.lab(), outsider, Entry.identity(client))) {
      assertEquals("two:9090", mesh.connect(two, Entry.hostname("named") + ":80").exchange("who?"));
    }
    String line = log.await("direction=\"inbound\"");
    assertTrue(line.contains("dst.hbone_addr=named.shop.svc.cluster.local:80 "), line);
    assertTrue(line.contains("src.identity=\"" + Entry.identity(client) + "\""), line);
  }

  @Test
  void aTunnelToAServiceThatThePodDoesNotServeFails() throws Exception {
    Journal log = Journal.of(daemon2);
    try (MeshClient mesh = new MeshClient(scene.lab(), outsider, Entry.identity(client))) {
      assertEquals(503, mesh.connect(two, "nowhere.shop.svc.cluster.local:80").status());
    }
    String line = log.await("connection failed");
    assertTrue(line.contains("error=\"no service or workload for hostname"), line);
  }
}
