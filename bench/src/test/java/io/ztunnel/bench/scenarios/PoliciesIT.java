package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.util.Map;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** Which calls policies let in, and how a refusal looks at both ends. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class PoliciesIT {
  private static final int PORT = 8080;
  private static final int OTHER_PORT = 9090;
  private static final String ANSWER = "hello";

  private Scene scene;
  private Lab.Pod client;
  private Lab.Pod other;
  private Lab.Pod outsider;
  private Lab.Pod guarded;
  private Lab.Pod closed;
  private Lab.Pod watched;
  private Lab.Pod byAddress;
  private Lab.Pod byPort;
  private Daemon daemon1;
  private Daemon daemon2;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("policies");
    Lab.Node node1 = scene.lab().addNode();
    Lab.Node node2 = scene.lab().addNode();
    client = scene.pod(node1, "client");
    other = scene.pod(node1, "other");
    outsider = node1.addPod("outsider", Lab.Without.REDIRECTION);
    guarded = server(node2, "guarded", "no-other");
    closed = server(node2, "closed", "nobody");
    watched = server(node2, "watched", "dry-deny", "dry-allow");
    byAddress = server(node2, "byaddress", "no-address");
    byPort = server(node2, "byport", "one-port");
    scene.policy(selecting("no-other", "Deny", "{principals: [!Exact %s]}", principal(other)));
    scene.policy(
        selecting(
            "nobody", "Allow", "{principals: [!Exact %s]}", "cluster.local/ns/shop/sa/nobody"));
    scene.policy(
        selecting("dry-deny", "Deny", "{principals: [!Exact %s]}", principal(client))
            .with("dryRun", "true"));
    scene.policy(
        selecting(
                "dry-allow",
                "Allow",
                "{principals: [!Exact %s]}",
                "cluster.local/ns/shop/sa/nobody")
            .with("dryRun", "true"));
    scene.policy(
        selecting("no-address", "Deny", "{sourceIps: [%s/32]}", other.ipv4().getHostAddress()));
    scene.policy(selecting("one-port", "Allow", "{destinationPorts: [%s]}", "" + PORT));
    daemon1 = scene.daemon(node1, Map.of(), client, other);
    daemon2 =
        scene.daemon(
            node2,
            Map.of("AUTHZ_POLICY_INFO_LOGGING", "true"),
            guarded,
            closed,
            watched,
            byAddress,
            byPort);
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  private Lab.Pod server(Lab.Node node, String name, String... policies) throws IOException {
    Lab.Pod pod = node.addPod(name);
    scene.workload(
        Entry.workload(pod, pod.ipv4(), pod.ipv6())
            .with("authorizationPolicies", "[shop/" + String.join(", shop/", policies) + "]"));
    scene.app(pod, PORT, App.saying(ANSWER));
    scene.app(pod, OTHER_PORT, App.saying(ANSWER));
    return pod;
  }

  private static Entry selecting(String name, String action, String match, String value) {
    return Entry.policy(name, "WorkloadSelector", action, match.formatted(value));
  }

  private static String principal(Lab.Pod pod) {
    return Entry.identity(pod).substring("spiffe://".length());
  }

  private static String call(Lab.Place from, Lab.Pod to, int port) throws IOException {
    return PodSockets.exchange(from, to.ipv4(), port, "who?");
  }

  /** A call that the server's daemon refuses with this error: what both daemons tell of it. */
  private void isDenied(Lab.Pod from, Lab.Pod to, int port, String error) throws IOException {
    Journal log1 = Journal.of(daemon1);
    Journal log2 = Journal.of(daemon2);
    Counters before1 = Counters.of(daemon1);
    Counters before2 = Counters.of(daemon2);

    PodSockets.isReset(from, to.ipv4(), port);

    String inbound = log2.await("connection complete", "direction=\"inbound\"");
    assertTrue(inbound.startsWith("error connection complete "), inbound);
    assertTrue(inbound.contains("src.identity=\"" + Entry.identity(from) + "\""), inbound);
    assertTrue(
        inbound.contains("error=\"connection closed due to policy rejection: " + error + "\""),
        inbound);
    String outbound = log1.await("connection complete", "direction=\"outbound\"");
    assertTrue(outbound.startsWith("error connection complete "), outbound);
    assertTrue(outbound.contains("error=\"http status: 401 Unauthorized\""), outbound);
    assertEquals(
        1,
        before2.growth(
            "istio_tcp_connections_closed_total",
            "reporter=\"destination\"",
            "response_flags=\"DENY\""));
    assertEquals(
        1,
        before2.growth(
            "istio_tcp_connections_failed_total",
            "reporter=\"destination\"",
            "response_flags=\"DENY\""));
    assertEquals(
        1,
        before1.growth(
            "istio_tcp_connections_closed_total",
            "reporter=\"source\"",
            "response_flags=\"CONNECT\""));
  }

  @Test
  void aDeniedIdentityIsRefusedByTheNameOfThePolicy() throws Exception {
    isDenied(other, guarded, PORT, "explicitly denied by: shop/no-other");
  }

  @Test
  void anIdentityThatNoDenyNamesIsLetIn() throws Exception {
    assertEquals(ANSWER, call(client, guarded, PORT));
  }

  @Test
  void whereAllowPoliciesAreNoneOfThemMeansNo() throws Exception {
    isDenied(client, closed, PORT, "allow policies exist, but none allowed");
  }

  @Test
  void aTunnelByHandIsAnswered401() throws Exception {
    Journal log = Journal.of(daemon2);
    try (MeshClient mesh = new MeshClient(scene.lab(), outsider, Entry.identity(client))) {
      String authority = closed.ipv4().getHostAddress() + ":" + PORT;
      assertEquals(401, mesh.connect(closed, authority).status());
    }
    String line = log.await("connection complete");
    assertTrue(line.contains("allow policies exist, but none allowed"), line);
  }

  @Test
  void dryRunIsLoggedAndHasNoEffect() throws Exception {
    Journal log = Journal.of(daemon2);
    assertEquals(ANSWER, call(client, watched, PORT));
    String deny = log.awaitAny("dry-run: deny policy match");
    assertTrue(deny.contains("policy=shop/dry-deny"), deny);
    assertTrue(
        Pattern.compile(
                "\tstate:proxy\\{wl=\"shop/watched\"}:inbound\\{id=[0-9a-f]{32} peer=%s:[0-9]+}\tdry-run"
                    .formatted(Pattern.quote(client.ipv4().getHostAddress())))
            .matcher(deny)
            .find(),
        deny);
    String noAllow = log.awaitAny("dry-run: no allow policies match");
    assertTrue(noAllow.contains("\tinfo\t"), noAllow);
  }

  @Test
  void addressesAreJudged() throws Exception {
    isDenied(other, byAddress, PORT, "explicitly denied by: shop/no-address");
    assertEquals(ANSWER, call(client, byAddress, PORT));
  }

  @Test
  void portsAreJudged() throws Exception {
    isDenied(client, byPort, OTHER_PORT, "allow policies exist, but none allowed");
    assertEquals(ANSWER, call(client, byPort, PORT));
  }

  @Test
  void aPlainCallIsJudgedWithoutAnIdentity() throws Exception {
    Journal log = Journal.of(daemon2);
    Counters before = Counters.of(daemon2);

    PodSockets.isReset(outsider, closed.ipv4(), PORT);

    String line = log.await("connection complete", "dst.workload=\"closed\"");
    assertTrue(line.startsWith("error connection complete src.addr="), line);
    assertTrue(line.contains("allow policies exist, but none allowed"), line);
    assertTrue(!line.contains("identity="), line);
    assertEquals(
        1,
        before.growth(
            "istio_tcp_connections_failed_total",
            "response_flags=\"DENY\"",
            "connection_security_policy=\"unknown\""));
  }

  @Test
  void aPlainCallIsLetInWhereOnlyOthersAreDenied() throws Exception {
    assertEquals(ANSWER, call(outsider, guarded, PORT));
  }
}
