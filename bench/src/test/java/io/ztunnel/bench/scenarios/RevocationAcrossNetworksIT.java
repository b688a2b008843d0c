package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.hbone.TestPki;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.net.InetAddress;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/**
 * Revoked certificates of tunnels within tunnels: both ends judge each other through a gateway that
 * knows of no revocation, and whose own certificate is of an authority that nobody revokes.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class RevocationAcrossNetworksIT {
  private static final InetAddress SERVICE = InetAddress.ofLiteral("10.96.0.1");
  private static final String PORTS = "80: 8080";

  /** From the file's change to the end of a connection; a busy machine needs more than a second. */
  private static final Duration CUT_LIMIT = Duration.ofSeconds(4);

  /** Connections through the gateway that are kept for each of the pods that keep any. */
  private static final int KEPT = 2;

  private final TestPki tls = TestPki.root("control plane");
  private final TestPki root = TestPki.root("mesh");
  private final TestPki westAuthority = root.intermediate("west");
  private final TestPki eastAuthority = root.intermediate("east");
  private final TestPki gatewayAuthority = root.intermediate("gateway");
  private Scene scene;
  private NodeCa keepingCa;
  private NodeCa eastCa;
  private Lab.Pod client;
  private Lab.Pod other;

  /** Its connections have tunnels of their own. */
  private Lab.Pod loner;

  private Lab.Pod server;
  private Lab.Pod gatewayPod;
  private Volume westList;
  private Volume eastList;
  private Daemon keeping;
  private Daemon single;
  private Daemon east;
  private Daemon gateway;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("crlnetworks");
    Lab.Node keepingNode = scene.lab().addNode();
    Lab.Node singleNode = scene.lab().addNode();
    Lab.Node far = scene.lab().addNode();
    client = keepingNode.addPod("client");
    other = keepingNode.addPod("other");
    loner = singleNode.addPod("loner");
    server = far.addPod("server");
    gatewayPod = far.addPod("gateway", Lab.Without.REDIRECTION);
    scene.app(server, 8080, App.ECHO_TWICE);
    keepingCa = NodeCa.start(scene, keepingNode, tls, westAuthority);
    eastCa = NodeCa.start(scene, far, tls, eastAuthority);
    westList = Volume.revocationList(scene.lab(), "west", root.crl());
    eastList = Volume.revocationList(scene.lab(), "east", root.crl());

    Cluster western = new Cluster(scene, "west", 1);
    Cluster eastern = new Cluster(scene, "east", 2);
    for (Lab.Pod pod : List.of(client, other, loner)) {
      western.workload(western.pod(pod));
    }
    western.gateway(eastern, gatewayPod);
    western.remote(
        eastern,
        "echo",
        SERVICE.getHostAddress(),
        PORTS,
        "[\"%s\"]".formatted(Entry.identity(server)),
        gatewayPod);
    eastern.workload(eastern.pod(server).serving("echo", PORTS));
    eastern.service("echo", "10.97.0.1", PORTS);

    keeping =
        western.daemon(keepingNode, keepingCa.environment(watching(westList, KEPT)), client, other);
    single =
        western.daemon(
            singleNode,
            NodeCa.start(scene, singleNode, tls, westAuthority).environment(watching(westList, 0)),
            loner);
    east = eastern.daemon(far, eastCa.environment(watching(eastList, 0)), server);
    NodeCa gatewayCa = NodeCa.start(scene, gatewayPod, tls, gatewayAuthority);
    gatewayCa.server().callerIs(Gateway.IDENTITY.toString());
    gateway =
        eastern.gatewayDaemon(
            gatewayPod, gatewayCa.environment(Map.of("GATEWAY_EXPORTS", "shop/*")));
    reset();
  }

  /**
   * @param kept how many connections within tunnels
   */
  private static Map<String, String> watching(Volume list, int kept) {
    Map<String, String> variables = new TreeMap<>();
    variables.put("CRL_PATH", list.file().toString());
    variables.put("POOL_UNUSED_RELEASE_TIMEOUT", "1m"); // so that none ends by itself meanwhile
    variables.put("ZTUNNEL_INNER_REFRESH", "1m");
    variables.put("ZTUNNEL_WORKER_THREADS", "1");
    variables.put("ZTUNNEL_INNER_CONNECTIONS", String.valueOf(kept));
    return variables;
  }

  /** The lists revoke nothing again, and calls work, on as many connections as are to be kept. */
  @AfterEach
  void reset() throws Exception {
    westList.swap(root.crl());
    eastList.swap(root.crl());
    Await.until(
        "calls work again",
        () -> works(client) && works(other) && works(loner) && innerConnections() == 2 * KEPT);
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  private static boolean works(Lab.Pod from) {
    return new QuickCalls(from).works(SERVICE);
  }

  private static OpenCall open(Lab.Pod from) throws IOException {
    return OpenCall.begin(from, SERVICE, 80);
  }

  /** How many are open from the node that keeps some. */
  private double innerConnections() throws IOException {
    return Counters.sum(
        Counters.read(keeping), "ztunnel_remote_gateway_inner_connections_open", "net-east");
  }

  private void revokeServer() throws IOException {
    westList.swap(eastAuthority.crl(eastCa.server().issued(Entry.identity(server))));
  }

  private void revokeClient() throws IOException {
    eastList.swap(westAuthority.crl(keepingCa.server().issued(Entry.identity(client))));
  }

  /** The call of this pod is cut, and the next one refused, because the server is revoked. */
  private void isCutOff(Lab.Pod from, Journal log, OpenCall call, long since) throws Exception {
    call.isCutWithin(CUT_LIMIT, since);
    String cut =
        log.awaitAny("connection complete", "direction=\"outbound\"", "reason=\"revoked\"");
    assertTrue(cut.contains("dst.identity=\"" + Entry.identity(server) + "\""), cut);
    assertTrue(cut.contains("error=\"connection closed: peer certificate revoked by CRL\""), cut);
    assertTrue(cut.contains("detail=\"serial "), cut);
    PodSockets.isReset(from, SERVICE, 80);
    String refused =
        log.awaitAny("connection complete", "direction=\"outbound\"", "reason=\"peer_revoked\"");
    assertTrue(refused.contains("peer certificate revoked: serial "), refused);
    assertTrue(refused.contains("detail=\"beyond gateway "), refused);
  }

  /** The call of this pod, and the next one, while the server is revoked. */
  private void isCutOffWhenTheServerIsRevoked(Lab.Pod from, Daemon daemon) throws Exception {
    Journal log = Journal.now(daemon);
    try (OpenCall call = open(from)) {
      long since = System.nanoTime();
      revokeServer();
      isCutOff(from, log, call, since);
    }
  }

  @Test
  void aServerThatIsRevokedIsCutOffAndRefusedBeyondTheGateway() throws Exception {
    Counters before = Counters.of(keeping);
    isCutOffWhenTheServerIsRevoked(client, keeping);
    assertEquals(0, innerConnections());
    assertEquals(
        2 * KEPT + 1, before.revocations("source"), "once for each connection and for the refusal");
  }

  @Test
  void soIsItWhereEachConnectionHasATunnelOfItsOwn() throws Exception {
    Counters before = Counters.of(single);
    isCutOffWhenTheServerIsRevoked(loner, single);
    assertEquals(2, before.revocations("source"), "for the connection and for the refusal");
  }

  @Test
  void anAuthorityThatIsRevokedTakesItsServersAlong() throws Exception {
    Journal keepingLog = Journal.now(keeping);
    Journal singleLog = Journal.now(single);
    try (OpenCall kept = open(client);
        OpenCall own = open(loner)) {
      long since = System.nanoTime();
      westList.swap(root.crl(eastAuthority.certificate()));
      isCutOff(client, keepingLog, kept, since);
      isCutOff(loner, singleLog, own, since);
    }
  }

  @Test
  void connectionsThatAreKeptIdleEndWithTheServersCertificate() throws Exception {
    Counters before = Counters.of(keeping);
    Journal log = Journal.of(keeping);
    assertEquals(2 * KEPT, openTunnelsOfTheGateway());
    revokeServer();
    Await.equal(0.0, this::innerConnections);
    Await.equal(0.0, this::openTunnelsOfTheGateway);
    assertEquals(2 * KEPT, before.revocations("source"));
    assertEquals(List.of(), log.access(""), "no call notices");
  }

  private double openTunnelsOfTheGateway() throws IOException {
    return Counters.sum(Counters.read(gateway), "ztunnel_gateway_tunnels_open");
  }

  @Test
  void aClientThatIsRevokedIsCutOffAndRefusedByTheServersNode() throws Exception {
    Journal westLog = Journal.of(keeping);
    Journal eastLog = Journal.of(east);
    Counters before = Counters.of(east);
    try (OpenCall call = open(client);
        OpenCall bystander = open(other);
        OpenCall elsewhere = open(loner)) {
      long since = System.nanoTime();
      revokeClient();
      call.isCutWithin(CUT_LIMIT, since);
      bystander.goesOn();
      elsewhere.goesOn();
    }
    String cut =
        eastLog.awaitAny("connection complete", "direction=\"inbound\"", "reason=\"revoked\"");
    assertTrue(cut.contains("src.identity=\"" + Entry.identity(client) + "\""), cut);
    Await.equal((double) KEPT, this::innerConnections); // those of the other pod
    assertEquals(KEPT, before.revocations("destination"), "that which was idle, too");

    PodSockets.isReset(client, SERVICE, 80);
    eastLog.awaitAny(
        "connection failed", "reason=\"peer_revoked\"", "peer certificate revoked: serial ");
    String refused =
        westLog.awaitAny("connection complete", "certificate_revoked", "reason=\"tls_failed\"");
    assertTrue(refused.contains("detail=\"beyond gateway "), refused);
    assertTrue(before.revocations("destination") > KEPT, "for the refusal");
    assertTrue(works(other), "a certificate of the same authority that is not listed");
  }

  @Test
  void anAuthorityThatIsRevokedTakesItsClientsAlong() throws Exception {
    Counters before = Counters.of(east);
    try (OpenCall one = open(client);
        OpenCall two = open(loner)) {
      long since = System.nanoTime();
      eastList.swap(root.crl(westAuthority.certificate()));
      one.isCutWithin(CUT_LIMIT, since);
      two.isCutWithin(CUT_LIMIT, since);
    }
    Await.equal(0.0, this::innerConnections);
    Await.until("all are counted", () -> before.revocations("destination") == 2 * KEPT + 1);
    PodSockets.isReset(other, SERVICE, 80);
  }
}
