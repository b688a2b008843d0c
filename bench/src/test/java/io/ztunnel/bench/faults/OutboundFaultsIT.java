package io.ztunnel.bench.faults;

import static io.ztunnel.bench.faults.FaultMesh.HBONE_PORT;
import static io.ztunnel.bench.faults.FaultMesh.awaitLine;
import static io.ztunnel.bench.faults.FaultMesh.identity;
import static io.ztunnel.bench.faults.FaultMesh.mark;
import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.handler.codec.http2.Http2Error;
import io.ztunnel.bench.lab.Application;
import io.ztunnel.bench.lab.Requirements;
import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.hbone.TestPki;
import io.ztunnel.identity.TrialAuthority;
import io.ztunnel.redirection.Peer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketException;
import java.time.Clock;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;

/** What the peer may do wrong that a daemon opens a tunnel to. */
@TestInstance(Lifecycle.PER_CLASS)
class OutboundFaultsIT {
  private static final int PORT = 9000;
  private static final int INITIAL_WINDOW = 65_535; // RFC 9113, 6.9.2

  private FaultMesh mesh;
  private KeyMaterial certificate;

  @BeforeAll
  void start() throws IOException {
    Requirements.assumeLabWith();
    mesh = FaultMesh.start("outbound", Map.of());
    certificate = certificate(identity(mesh.stranger()));
  }

  private KeyMaterial certificate(String identity) throws IOException {
    try (TrialAuthority authority =
        TrialAuthority.open(
            mesh.lab().directory().resolve("ca"), Duration.ofHours(1), Clock.systemUTC())) {
      return authority.sign(SpiffeId.parse(identity).orElseThrow()).syncUninterruptibly().getNow();
    }
  }

  @AfterEach
  void othersGoOnAndNothingIsLeft() throws IOException {
    mesh.assertRecovered();
  }

  @AfterAll
  void stop() throws IOException {
    if (mesh != null) {
      mesh.close();
    }
  }

  /** A peer that has made the handshakes. */
  @FunctionalInterface
  private interface TunnelPeer {
    void serve(RawHttp2 peer) throws IOException, InterruptedException;
  }

  private Application listen(Application.Service service) throws IOException {
    return Application.start(mesh.stranger(), HBONE_PORT, service);
  }

  private Application listen(KeyMaterial shown, TunnelPeer service) throws IOException {
    return listen(
        connection -> {
          try (RawHttp2 peer = RawHttp2.server(connection, shown)) {
            service.serve(peer);
          }
        });
  }

  /** A peer that is in order up to the CONNECT, which it has read. */
  private Application tunnel(TunnelPeer service) throws IOException {
    return listen(
        certificate,
        peer -> {
          peer.serverPreface();
          RawHttp2.Frame _ = peer.await(RawHttp2.HEADERS, 1);
          service.serve(peer);
        });
  }

  private Socket connect() throws IOException {
    return Peer.connect(mesh.client(), mesh.stranger().ipv4(), PORT);
  }

  /** The application's connection is reset, and the log names the cause. */
  private void assertFails(String reason, String cause) throws IOException {
    assertFails(this::connect, reason, cause);
  }

  /** What an application does to connect. */
  @FunctionalInterface
  private interface Connecting {
    Socket connect() throws IOException;
  }

  private void assertFails(Connecting application, String reason, String cause) throws IOException {
    int mark = mark(mesh.near());
    assertThrows(
        SocketException.class,
        () -> {
          // The reset may come as early as here.
          try (Socket connection = application.connect()) {
            connection.getInputStream().read();
          }
        });
    String _ =
        awaitLine(mesh.near(), mark, "connection complete", "reason=\"" + reason + "\"", cause);
  }

  @Test
  void nobodyListens() throws IOException {
    assertFails("hbone_connect_refused", "refused");
  }

  /** Of the networks for documentation (RFC 5737), which no router of the lab knows. */
  @Test
  void noRouteToTheDestination() throws IOException {
    InetAddress nowhere = InetAddress.ofLiteral("203.0.113.7");
    assertFails(
        () -> Peer.connect(mesh.client(), nowhere, PORT),
        "connect_failed",
        "error=\"io error: No route to host: /203.0.113.7:" + PORT + '"');
  }

  @Test
  void silenceInPlaceOfTls() throws IOException {
    try (Application _ =
        listen(connection -> connection.getInputStream().skipNBytes(Long.MAX_VALUE))) {
      assertFails("h2_handshake_timed_out", "not done within 3000 ms");
    }
  }

  @Test
  void garbageInPlaceOfTls() throws IOException {
    try (Application _ = listen(connection -> Peer.say(connection, "220 welcome\r\n"))) {
      assertFails("tls_failed", "");
    }
  }

  @Test
  void hangingUpInPlaceOfTls() throws IOException {
    try (Application _ =
        listen(
            connection -> {
              // A reset that overtakes the connect would be a failure of TCP.
              connection.getInputStream().skipNBytes(1);
              Application.reset(connection);
            })) {
      assertFails("tls_failed", "");
    }
  }

  @Test
  void certificateOfAnotherWorkload() throws IOException {
    String other = "spiffe://cluster.local/ns/lab/sa/other";
    try (Application _ = listen(certificate(other), RawHttp2::awaitEnd)) {
      assertFails("wrong_peer_identity", "got " + other);
    }
  }

  @Test
  void certificateOfAnotherRoot() throws IOException {
    KeyMaterial foreign = TestPki.root("foreign").workload(identity(mesh.stranger()));
    try (Application _ = listen(foreign, RawHttp2::awaitEnd)) {
      assertFails("tls_failed", "unknown root");
    }
  }

  @Test
  void peerThatNeverReads() throws Exception {
    CountDownLatch over = new CountDownLatch(1);
    try (Application _ =
        listen(
            certificate,
            _ -> {
              boolean _ = over.await(10, TimeUnit.SECONDS);
            })) {
      assertFails("h2_failed", "no SETTINGS within 3000 ms");
    } finally {
      over.countDown();
    }
  }

  @Test
  void prefaceOfAnotherProtocol() throws IOException {
    try (Application _ =
        listen(
            certificate,
            peer -> {
              peer.write("HTTP/1.1 400 Bad Request\r\n\r\n".getBytes(US_ASCII));
              IOException _ = peer.awaitEnd();
            })) {
      assertFails("h2_failed", "");
    }
  }

  @Test
  void peerThatNeverAnswers() throws IOException {
    try (Application _ = tunnel(RawHttp2::awaitEnd)) {
      assertFails("h2_answer_timed_out", "");
    }
  }

  @Test
  void peerThatResetsEveryStream() throws IOException {
    try (Application _ =
        tunnel(
            peer -> {
              peer.reset(1, RawHttp2.REFUSED_STREAM);
              IOException _ = peer.awaitEnd();
            })) {
      assertFails("h2_reset", "REFUSED_STREAM");
    }
  }

  @Test
  void peerThatSaysNo() throws IOException {
    try (Application _ =
        tunnel(
            peer -> {
              peer.headers(1, ":status", "418");
              IOException _ = peer.awaitEnd();
            })) {
      assertFails("http_status", "418");
    }
  }

  @Test
  void peerThatGoesAway() throws IOException {
    try (Application _ =
        tunnel(
            peer -> {
              peer.frame(RawHttp2.GO_AWAY, 0, 0, new byte[8]);
              IOException _ = peer.awaitEnd();
            })) {
      assertFails("h2_goaway", "NO_ERROR");
    }
  }

  @Test
  void peerThatDiesBeforeItsAnswer() throws IOException {
    try (Application _ = tunnel(peer -> Application.reset(peer.transport()))) {
      assertFails("h2_failed", "");
    }
  }

  @Test
  void peerThatDiesWithinAFrame() throws IOException {
    try (Application _ =
        tunnel(
            peer -> {
              peer.headers(1, ":status", "200");
              peer.beginFrame(RawHttp2.DATA, 1, 1000, "only so much".getBytes(US_ASCII));
              RawHttp2.Frame _ = peer.await(RawHttp2.DATA, 1);
              Application.reset(peer.transport());
            })) {
      int mark = mark(mesh.near());
      try (Socket connection = connect()) {
        Peer.say(connection, "hello");
        assertThrows(
            SocketException.class, () -> connection.getInputStream().skipNBytes(1_000_000));
      }
      String _ =
          awaitLine(
              mesh.near(),
              mark,
              "connection complete",
              "reason=\"copy_receive_failed\"",
              "tunnel lost");
    }
  }

  /** More than the kernel takes for an application that does not read, less than a window. */
  @Test
  void peerThatDiesAfterItsAnswer() throws IOException {
    byte[] piece = new byte[16 << 10];
    int pieces = 192;
    try (Application _ =
        tunnel(
            peer -> {
              peer.headers(1, ":status", "200");
              for (int i = 1; i < pieces; i++) {
                peer.frame(RawHttp2.DATA, 0, 1, piece);
              }
              peer.frame(RawHttp2.DATA, RawHttp2.END_STREAM, 1, piece);
              peer.awaitRead(); // a reset drops what is still to be sent
              Application.reset(peer.transport());
            })) {
      int mark = mark(mesh.near());
      try (Socket connection = connect()) {
        int first = connection.getInputStream().read(); // the tunnel stands
        FaultMesh.await("the tunnel is lost", () -> openTunnels() == 0);
        Peer.say(connection, "more");
        assertEquals(0, first);
        assertEquals(pieces * piece.length - 1, connection.getInputStream().readAllBytes().length);
      }
      String _ =
          awaitLine(
              mesh.near(),
              mark,
              "connection complete",
              "reason=\"copy_send_failed\"",
              "tunnel lost");
    }
  }

  /** It reads nothing of an upload, and dies with its whole answer sent and little of it read. */
  @Test
  void peerThatDiesWhileMuchIsSentToIt() throws Exception {
    CountDownLatch full = new CountDownLatch(1);
    CountDownLatch stopped = new CountDownLatch(1);
    CountDownLatch gone = new CountDownLatch(1);
    try (Application _ =
        tunnel(
            peer -> {
              peer.frame(RawHttp2.SETTINGS, 0, 0, new byte[] {0, 4, 0x40, 0, 0, 0});
              peer.frame(RawHttp2.WINDOW_UPDATE, 0, 0, new byte[] {0x3f, 0, 0, 0});
              peer.headers(1, ":status", "200");
              Peer.awaitFull(peer.transport());
              full.countDown();
              assertTrue(stopped.await(20, TimeUnit.SECONDS));
              peer.frame(RawHttp2.DATA, RawHttp2.END_STREAM, 1, "too large".getBytes(US_ASCII));
              Application.reset(peer.transport());
              gone.countDown();
            })) {
      try (Socket connection = connect()) {
        Peer.upload(connection);
        assertTrue(full.await(20, TimeUnit.SECONDS));
        mesh.near().signal("STOP"); // it finds all of it at once
        try {
          stopped.countDown();
          assertTrue(gone.await(20, TimeUnit.SECONDS));
        } finally {
          mesh.near().signal("CONT");
        }
        assertEquals("too large", Peer.hear(connection, 9));
      }
    }
  }

  /** As a scanner of ports does, and a health check that sends a reset instead of a FIN. */
  @Test
  void clientThatIsGoneWhenItsTunnelIsThere() throws Exception {
    CountDownLatch asked = new CountDownLatch(1);
    CountDownLatch left = new CountDownLatch(1);
    CompletableFuture<Integer> code = new CompletableFuture<>();
    try (Application _ =
        tunnel(
            peer -> {
              asked.countDown();
              assertTrue(left.await(20, TimeUnit.SECONDS));
              peer.headers(1, ":status", "200");
              code.complete(peer.await(RawHttp2.RST_STREAM, 1).number(0));
            })) {
      Socket connection = connect();
      assertTrue(asked.await(20, TimeUnit.SECONDS));
      Application.reset(connection);
      left.countDown();
      assertEquals(Http2Error.CANCEL.code(), code.get(10, TimeUnit.SECONDS).longValue());
    }
  }

  private long openTunnels() throws IOException {
    return mesh.near()
        .metrics()
        .lines()
        .filter(line -> line.startsWith("ztunnel_tunnels_open{role=\"client\"}"))
        .mapToLong(line -> Long.parseLong(line.substring(line.lastIndexOf(' ') + 1)))
        .sum();
  }

  @Test
  void peerThatNeverCredits() throws Exception {
    CountDownLatch exhausted = new CountDownLatch(1);
    try (Application _ =
        tunnel(
            peer -> {
              peer.headers(1, ":status", "200");
              int received = 0;
              while (received < INITIAL_WINDOW) {
                received += peer.await(RawHttp2.DATA, 1).length();
              }
              exhausted.countDown();
              IOException _ = peer.awaitEnd();
            })) {
      Socket connection = connect();
      connection.getOutputStream().write(new byte[INITIAL_WINDOW + 1000]);
      assertEquals(true, exhausted.await(5, TimeUnit.SECONDS), "the window was used");
      mesh.assertOthersGoOn();
      Application.reset(connection);
    }
  }
}
