package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.hbone.TestPki;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.net.Socket;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** Revoked certificates: new connections are refused, and open ones cut, at both ends. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class RevocationIT {
  private static final int PORT = 8080;

  /** From the file's change to the end of a connection; a busy machine needs more than a second. */
  private static final Duration CUT_LIMIT = Duration.ofSeconds(4);

  private final TestPki tls = TestPki.root("control plane");
  private final TestPki root = TestPki.root("mesh");
  private final TestPki nearAuthority = root.intermediate("near");
  private final TestPki farAuthority = root.intermediate("far");
  private Scene scene;
  private NodeCa nearCa;
  private NodeCa farCa;
  private Lab.Pod client;
  private Lab.Pod other;
  private Lab.Pod server;
  private Volume nearList;
  private Volume farList;
  private Daemon nearDaemon;
  private Daemon farDaemon;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("crl");
    Lab.Node near = scene.lab().addNode();
    Lab.Node far = scene.lab().addNode();
    client = scene.pod(near, "client");
    other = scene.pod(near, "other");
    server = scene.pod(far, "server");
    scene.app(server, PORT, App.ECHO_TWICE);
    nearCa = NodeCa.start(scene, near, tls, nearAuthority);
    farCa = NodeCa.start(scene, far, tls, farAuthority);
    nearList = list("near");
    farList = list("far");
    nearDaemon =
        scene.daemon(
            near,
            nearCa.environment(Map.of("CRL_PATH", nearList.file().toString())),
            client,
            other);
    farDaemon =
        scene.daemon(far, farCa.environment(Map.of("CRL_PATH", farList.file().toString())), server);
  }

  private Volume list(String name) throws IOException {
    return Volume.create(scene.lab().directory().resolve("crl-" + name), "ca-crl.pem", root.crl());
  }

  /** The lists revoke nothing again, and calls work. */
  @AfterEach
  void reset() throws Exception {
    nearList.swap(root.crl());
    farList.swap(root.crl());
    Await.until("calls work again", () -> works(client) && works(other));
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  private boolean works(Lab.Pod from) {
    try {
      return PodSockets.exchange(from, server.ipv4(), PORT, "hi").equals("hihi");
    } catch (IOException e) {
      return false;
    }
  }

  private Socket open(Lab.Pod from) throws IOException {
    Socket socket = PodSockets.connect(from, server.ipv4(), PORT);
    echoes(socket);
    return socket;
  }

  private static void echoes(Socket socket) throws IOException {
    PodSockets.say(socket, "hi");
    assertEquals("hihi", PodSockets.hear(socket, 4));
  }

  private static void isCutWithin(Duration limit, Socket socket, long since) {
    assertThrows(IOException.class, () -> readToItsEnd(socket));
    Duration took = Duration.ofNanos(System.nanoTime() - since);
    assertTrue(took.compareTo(limit) < 0, "cut after " + took);
  }

  private static void readToItsEnd(Socket socket) throws IOException {
    int read = socket.getInputStream().read();
    throw new AssertionError("read " + read + " (expected: a reset)");
  }

  private static double rejections(Counters before, String reporter) throws IOException {
    return before.growth("istio_crl_policy_rejections_total", "reporter=\"" + reporter + "\"");
  }

  @Test
  void aServerRevokedByItsAuthorityIsCutOffAndRefused() throws Exception {
    Journal log = Journal.of(nearDaemon);
    Counters before = Counters.of(nearDaemon);
    try (Socket socket = open(client)) {
      long since = System.nanoTime();
      nearList.swap(farAuthority.crl(farCa.server().issued(Entry.identity(server))));
      isCutWithin(CUT_LIMIT, socket, since);
    }
    String line = log.awaitAny("connection complete", "reason=\"revoked\"");
    assertTrue(line.contains("error=\"connection closed: peer certificate revoked by CRL\""), line);
    assertTrue(line.contains("detail=\"serial "), line);
    assertEquals(1, rejections(before, "source"), "once for the connection");
    assertEquals(
        1, before.growth("istio_tcp_connections_closed_total", "response_flags=\"CERT_REVOKED\""));
    PodSockets.isReset(client, server.ipv4(), PORT);
    String refused = log.awaitAny("connection complete", "reason=\"peer_revoked\"");
    assertTrue(refused.contains("peer certificate revoked: serial "), refused);
    assertEquals(2, rejections(before, "source"));
  }

  @Test
  void aClientRevokedByItsAuthorityIsCutOffAndRefusedAloneOfItsNode() throws Exception {
    Journal log = Journal.of(farDaemon);
    Counters before = Counters.of(farDaemon);
    try (Socket socket = open(client);
        Socket bystander = open(other)) {
      long since = System.nanoTime();
      farList.swap(nearAuthority.crl(nearCa.server().issued(Entry.identity(client))));
      isCutWithin(CUT_LIMIT, socket, since);
      echoes(bystander);
    }
    log.awaitAny("connection complete", "direction=\"inbound\"", "reason=\"revoked\"");
    assertEquals(1, rejections(before, "destination"));
    PodSockets.isReset(client, server.ipv4(), PORT);
    log.awaitAny("connection failed", "reason=\"peer_revoked\"");
    assertTrue(works(other), "a certificate of the same authority that is not listed");
  }

  @Test
  void anAuthorityThatIsRevokedTakesAllBelowItAlong() throws Exception {
    Counters before = Counters.of(farDaemon);
    try (Socket one = open(client);
        Socket two = open(other)) {
      long since = System.nanoTime();
      farList.swap(root.crl(nearAuthority.certificate()));
      isCutWithin(CUT_LIMIT, one, since);
      isCutWithin(CUT_LIMIT, two, since);
    }
    assertEquals(2, rejections(before, "destination"));
    PodSockets.isReset(other, server.ipv4(), PORT);
  }

  @Test
  void aListThatIsGarbageLeavesTheFormerInForce() throws Exception {
    farList.swap(nearAuthority.crl(nearCa.server().issued(Entry.identity(client))));
    Await.until("the client is refused", () -> !works(client));
    Journal log = Journal.now(farDaemon);
    farList.swap("garbage");
    String line = log.awaitAny("CRL not loaded, the former stays in force");
    assertTrue(line.contains("\terror\t"), line);
    assertTrue(line.contains("not a CRL"), line);
    PodSockets.isReset(client, server.ipv4(), PORT);
    assertTrue(works(other));
  }

  @Test
  void aListThatIsTooLongForTheHeapLeavesTheFormerInForceAndTheDaemonAlive() throws Exception {
    farList.swap(nearAuthority.crl(nearCa.server().issued(Entry.identity(client))));
    Await.until("the client is refused", () -> !works(client));
    Journal log = Journal.now(farDaemon);
    farList.swap(root.crl() + " ".repeat(20 << 20));
    String line = log.awaitAny("CRL not loaded, the former stays in force");
    assertTrue(line.contains("\terror\t"), line);
    assertTrue(line.contains("bytes (expected: at most that)"), line);
    PodSockets.isReset(client, server.ipv4(), PORT);
    assertTrue(works(other));
  }
}
