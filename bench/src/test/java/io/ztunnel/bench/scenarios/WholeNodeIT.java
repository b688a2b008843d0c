package io.ztunnel.bench.scenarios;

import static io.ztunnel.xds.FakeControlPlane.ADDRESS;
import static io.ztunnel.xds.FakeControlPlane.AUTHORIZATION;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status;
import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.LabControlPlane;
import io.ztunnel.bench.lab.Names;
import io.ztunnel.bench.lab.WireMesh;
import io.ztunnel.bench.lab.WireWorkload;
import io.ztunnel.hbone.TestPki;
import io.ztunnel.redirection.Lab;
import io.ztunnel.xds.ControlPlanePki;
import io.ztunnel.xds.FakeControlPlane;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketException;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/**
 * One daemon with all that it has in a cluster: mesh and policies from the control plane,
 * certificates from its CA, pods from the CNI agent, the pods' DNS, and a CRL, which is garbage
 * when it starts. And what becomes of it when files and the control plane are not well.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class WholeNodeIT {
  private static final InetAddress VIP = InetAddress.ofLiteral("10.96.1.1");
  private static final InetAddress NAME_SERVER = InetAddress.ofLiteral("10.96.0.10");
  private static final int SERVICE_PORT = 80;
  private static final int PORT = 8080;
  private static final String POLICY = "no-client";

  private final TestPki authority = TestPki.root("mesh");
  private final ControlPlanePki firstPki = ControlPlanePki.create("control plane");
  private Scene scene;
  private Lab.Pod client;
  private Lab.Pod other;
  private Lab.Pod server;
  private NodeCa ca;
  private FakeControlPlane control;
  private Volume controlRoots;
  private Volume revocations;
  private Daemon daemon;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("whole");
    Lab.Node node = scene.lab().addNode();
    client = node.addPod("client");
    other = node.addPod("other");
    server = node.addPod("server");
    scene.app(server, PORT, App.ECHO_TWICE);
    ca = NodeCa.start(scene, node, TestPki.root("the CA's TLS"), authority);
    LabControlPlane controlPlane =
        LabControlPlane.startForNode(scene.lab(), node, firstPki, FakeControlPlane.options());
    scene.closeLater(controlPlane);
    control = controlPlane.server();
    control.put(
        ADDRESS,
        WireWorkload.of(client).entry(),
        WireWorkload.of(other).entry(),
        WireWorkload.of(server).serving("web", SERVICE_PORT, PORT).under(POLICY).entry(),
        WireMesh.service("web", VIP, SERVICE_PORT, PORT));
    controlRoots = volume("xds-roots", "root-cert.pem", firstPki.rootPem());
    revocations = volume("crl", "ca-crl.pem", "garbage");
    Map<String, String> variables = new TreeMap<>(controlPlane.environment());
    variables.remove("AUTH_TOKEN"); // the file that the CA has too
    variables.put("XDS_ROOT_CA", controlRoots.file().toString());
    variables.put("CRL_PATH", revocations.file().toString());
    variables.put("RUST_LOG", "info,ztunnel::xds=debug");
    daemon = scene.daemon(node, ca.environment(variables), client, other, server);
  }

  private Volume volume(String directory, String name, String content) throws IOException {
    return Volume.create(scene.lab().directory().resolve(directory), name, content);
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  private static String principal(Lab.Pod pod) {
    return Entry.identity(pod).substring("spiffe://".length());
  }

  private static void talk(Socket socket) throws IOException {
    PodSockets.say(socket, "hi");
    assertEquals("hihi", PodSockets.hear(socket, 4));
  }

  private boolean works(Lab.Pod from) {
    try {
      return PodSockets.exchange(from, VIP, SERVICE_PORT, "hi").equals("hihi");
    } catch (IOException _) {
      return false;
    }
  }

  /** What the control plane says still arrives. */
  private void isFed(String name) throws IOException {
    Await.until("there is a stream", () -> control.openStreams() > 0);
    control.put(ADDRESS, WireWorkload.named(name).entry());
    Await.until(name + " is known", () -> daemon.configDump().contains("/" + name + "\""));
    assertTrue(works(client), "calls work");
  }

  @Test
  void aNameLeadsToATunnelAndAPolicyComesAndGoes() throws Exception {
    assertEquals(
        new Names.Answer(0, true, List.of(VIP.getHostAddress())),
        Names.ask(client, NAME_SERVER, Names.Way.UDP, "web.shop.svc.cluster.local", Names.A));
    Journal log = Journal.of(daemon);
    Counters before = Counters.of(daemon);
    try (Socket open = PodSockets.connect(client, VIP, SERVICE_PORT)) {
      talk(open);
      String dump = daemon.configDump();
      for (Lab.Pod pod : List.of(client, server)) {
        String serial = ca.server().issued(Entry.identity(pod)).getSerialNumber().toString();
        assertTrue(dump.contains("\"" + serial + "\""), () -> pod.name() + " has its certificate");
      }
      control.put(
          AUTHORIZATION, WireMesh.denyCaller(POLICY, WireMesh.Scope.SELECTED, principal(client)));
      assertThrows(
          SocketException.class,
          () -> assertEquals("a reset", open.getInputStream().read(), "of the open connection"));
    }
    String cut = log.awaitAny("connection complete", "direction=\"inbound\"", "policy_changed");
    assertTrue(cut.contains("src.identity=\"" + Entry.identity(client) + "\""), cut);
    assertTrue(cut.contains("dst.service=\"web.shop.svc.cluster.local\""), cut);
    assertTrue(cut.contains("error=\"connection closed due to policy change\""), cut);
    assertTrue(cut.contains("detail=\"explicitly denied by: shop/no-client rule 0\""), cut);
    assertEquals(
        1,
        before.growth(
            "istio_tcp_connections_closed_total",
            "reporter=\"destination\"",
            "connection_security_policy=\"mutual_tls\"",
            "response_flags=\"DENY\""));

    PodSockets.isReset(client, VIP, SERVICE_PORT);
    String refused = log.awaitAny("connection complete", "direction=\"inbound\"", "policy_denied");
    assertTrue(
        refused.contains(
            "error=\"connection closed due to policy rejection: explicitly denied by: shop/no-client\""),
        refused);
    assertTrue(refused.contains("detail=\"explicitly denied by: shop/no-client rule 0\""), refused);
    String denials = Http.ask(server.node(), Http.ADMIN, "GET /debug/denials").text();
    assertTrue(denials.contains("shop/no-client"), denials);
    assertTrue(works(other), "whom no policy names");

    control.remove(AUTHORIZATION, List.of("shop/" + POLICY));
    control.awaitAnswers();
    try (Socket again = PodSockets.connect(client, VIP, SERVICE_PORT)) {
      talk(again);
    }
  }

  @Test
  void aTokenThatIsMissingForAWhileOrRotatesIsReadForEachStream() throws Exception {
    Journal log = Journal.now(daemon);
    ca.token().remove();
    control.endStreams(Status.UNAVAILABLE.withDescription("planned by the test"));
    log.awaitAny("XDS client", "error=", "istio-token");
    assertTrue(works(client), "calls work without a control plane");
    ca.server().expectToken("second-token");
    ca.token().swap("second-token\n");
    isFed("after-the-token");
    String headers = control.headers().getLast().toString();
    assertTrue(headers.contains("Bearer second-token"), headers);
  }

  @Test
  void rootsThatAreReplacedByALinkAreReadForEachAttempt() throws Exception {
    ControlPlanePki next = ControlPlanePki.create("next control plane");
    Journal log = Journal.now(daemon);
    control.stopListening();
    control.certifyBy(next);
    control.listen();
    log.awaitAny("XDS client connection error", "certification path");
    controlRoots.swap("half of a cert");
    log.awaitAny("XDS client", "root certificates", "root-cert.pem");
    assertTrue(works(client), "calls work without a control plane");
    controlRoots.swap(next.rootPem());
    isFed("after-the-roots");
  }

  @Test
  void aControlPlaneThatDiesInTheMiddleOfAResponseHasSaidNothing() throws Exception {
    List<FakeControlPlane.Entry> many =
        IntStream.range(0, 100)
            .mapToObj(i -> WireWorkload.named("half-" + i).weighing(256 << 10).entry())
            .toList();
    control.put(ADDRESS, many);
    control.stopListening();
    assertTrue(works(client), "calls work without a control plane");
    assertFalse(daemon.configDump().contains("/half-"), "a part of a response is in effect");
    control.listen();
    Await.until("all are there", () -> daemon.configDump().contains("/half-99\""));
    control.remove(ADDRESS, many.stream().map(FakeControlPlane.Entry::name).toList());
    Await.until("all are gone", () -> !daemon.configDump().contains("/half-"));
  }

  @Test
  void aResponseThatCannotBeReadEndsItsStreamOnly() throws Exception {
    Journal log = Journal.now(daemon);
    int streams = control.streamCount();
    byte[] whole =
        FakeControlPlane.response(
            ADDRESS,
            "cut",
            List.of(WireWorkload.named("first-of-a-cut-one").entry()),
            List.of("lab//Pod/shop/server", "lab//Pod/shop/client"),
            false);
    control.sendRaw(Arrays.copyOf(whole, whole.length - 1));
    log.awaitAny("XDS client error", "a response cannot be read");
    Map<String, String> echo =
        control.awaitFirst(streams + 1, ADDRESS).getInitialResourceVersionsMap();
    assertEquals("", echo.get("lab//Pod/shop/first-of-a-cut-one"), "it is asked for again");
    String held = echo.getOrDefault("lab//Pod/shop/server", "");
    assertFalse(held.isEmpty(), "what the cut one removed is held");
    isFed("after-the-cut-one");
    assertTrue(works(client), "what the cut one removed is there");
    assertFalse(daemon.configDump().contains("first-of-a-cut-one"));
  }

  @Test
  void aControlPlaneThatLetsNobodyInIsAskedAgain() throws Exception {
    Journal log = Journal.now(daemon);
    control.refuse(Status.UNAUTHENTICATED.withDescription("authentication failure"));
    control.endStreams(Status.UNAVAILABLE.withDescription("planned by the test"));
    log.awaitAny("XDS client", "authentication failure");
    assertTrue(works(client), "calls work without a control plane");
    control.refuse(null);
    isFed("after-the-refusal");
  }

  @Test
  void aRevocationListThatWasGarbageAtTheStartCountsOnceItIsMended() throws Exception {
    String line = Journal.whole(daemon).awaitAny("CRL not loaded");
    assertTrue(line.contains("\terror\t") && line.contains("not a CRL"), line);
    assertTrue(works(other), "nobody is revoked by garbage");
    revocations.swap(authority.crl(ca.server().issued(Entry.identity(other))));
    Await.until("the revoked one is refused", () -> !works(other));
    assertTrue(works(client), "others are not");
    revocations.swap(authority.crl());
    Await.until("nobody is revoked", () -> works(other));
  }
}
