package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.hbone.TestPki;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
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
    nearList = Volume.revocationList(scene.lab(), "near", root.crl());
    farList = Volume.revocationList(scene.lab(), "far", root.crl());
    nearDaemon =
        scene.daemon(
            near,
            nearCa.environment(Map.of("CRL_PATH", nearList.file().toString())),
            client,
            other);
    farDaemon =
        scene.daemon(far, farCa.environment(Map.of("CRL_PATH", farList.file().toString())), server);
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

  private OpenCall open(Lab.Pod from) throws IOException {
    return OpenCall.begin(from, server.ipv4(), PORT);
  }

  @Test
  void aServerRevokedByItsAuthorityIsCutOffAndRefused() throws Exception {
    Journal log = Journal.of(nearDaemon);
    Counters before = Counters.of(nearDaemon);
    try (OpenCall call = open(client)) {
      long since = System.nanoTime();
      nearList.swap(farAuthority.crl(farCa.server().issued(Entry.identity(server))));
      call.isCutWithin(CUT_LIMIT, since);
    }
    String line = log.awaitAny("connection complete", "reason=\"revoked\"");
    assertTrue(line.contains("error=\"connection closed: peer certificate revoked by CRL\""), line);
    assertTrue(line.contains("detail=\"serial "), line);
    assertEquals(1, before.revocations("source"), "once for the connection");
    assertEquals(
        1, before.growth("istio_tcp_connections_closed_total", "response_flags=\"CERT_REVOKED\""));
    PodSockets.isReset(client, server.ipv4(), PORT);
    String refused = log.awaitAny("connection complete", "reason=\"peer_revoked\"");
    assertTrue(refused.contains("peer certificate revoked: serial "), refused);
    assertEquals(2, before.revocations("source"));
  }

  @Test
  void aClientRevokedByItsAuthorityIsCutOffAndRefusedAloneOfItsNode() throws Exception {
    Journal log = Journal.of(farDaemon);
    Counters before = Counters.of(farDaemon);
    try (OpenCall call = open(client);
        OpenCall bystander = open(other)) {
      long since = System.nanoTime();
      farList.swap(nearAuthority.crl(nearCa.server().issued(Entry.identity(client))));
      call.isCutWithin(CUT_LIMIT, since);
      bystander.goesOn();
    }
    log.awaitAny("connection complete", "direction=\"inbound\"", "reason=\"revoked\"");
    assertEquals(1, before.revocations("destination"));
    PodSockets.isReset(client, server.ipv4(), PORT);
    log.awaitAny("connection failed", "reason=\"peer_revoked\"");
    assertTrue(works(other), "a certificate of the same authority that is not listed");
  }

  @Test
  void anAuthorityThatIsRevokedTakesAllBelowItAlong() throws Exception {
    Counters before = Counters.of(farDaemon);
    try (OpenCall one = open(client);
        OpenCall two = open(other)) {
      long since = System.nanoTime();
      farList.swap(root.crl(nearAuthority.certificate()));
      one.isCutWithin(CUT_LIMIT, since);
      two.isCutWithin(CUT_LIMIT, since);
    }
    assertEquals(2, before.revocations("destination"));
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
