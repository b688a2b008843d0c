package io.ztunnel.bench.faults;

import static io.ztunnel.bench.faults.FaultMesh.HBONE_PORT;
import static io.ztunnel.bench.faults.FaultMesh.awaitLine;
import static io.ztunnel.bench.faults.FaultMesh.identity;
import static io.ztunnel.bench.faults.FaultMesh.mark;
import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Application;
import io.ztunnel.bench.lab.Requirements;
import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.hbone.TestPki;
import io.ztunnel.identity.TrialAuthority;
import io.ztunnel.redirection.Peer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What peers may do wrong at the HBONE port of a pod. */
@TestInstance(Lifecycle.PER_CLASS)
class InboundFaultsIT {
  private static final int CLOSING_PORT = 82;
  private static final int OVERLOADED_PORT = 83;
  private static final int SILENT_PORT = 84;
  private static final int POURING_PORT = 9000;
  private static final Duration VALIDITY = Duration.ofHours(1);

  /** What is left of the largest window, beside the one that there is. */
  private static final byte[] HUGE_CREDIT = {0x7f, (byte) 0xfe, 0, 0};

  private FaultMesh mesh;
  private Application pouring;

  @BeforeAll
  void start() throws IOException {
    Requirements.assumeLabWith();
    mesh = FaultMesh.start("inbound", Map.of());
    pouring = Application.start(mesh.server(), POURING_PORT, InboundFaultsIT::pour);
  }

  /** Sends for as long as somebody takes it. */
  private static void pour(Socket connection) throws IOException {
    byte[] chunk = new byte[64 << 10];
    OutputStream out = connection.getOutputStream();
    while (true) {
      out.write(chunk);
    }
  }

  @AfterEach
  void othersGoOnAndNothingIsLeft() throws IOException {
    mesh.assertRecovered();
  }

  @AfterAll
  void stop() throws IOException {
    if (mesh != null) {
      pouring.close();
      mesh.close();
    }
  }

  private Socket dial() throws IOException {
    return Peer.connect(mesh.stranger(), mesh.server().ipv4(), HBONE_PORT);
  }

  /** A certificate of the trial authority that the daemons share. */
  private KeyMaterial certificate(String identity, Clock clock) throws IOException {
    try (TrialAuthority authority =
        TrialAuthority.open(mesh.lab().directory().resolve("ca"), VALIDITY, clock)) {
      return authority.sign(SpiffeId.parse(identity).orElseThrow()).syncUninterruptibly().getNow();
    }
  }

  private RawHttp2 connect() throws IOException {
    RawHttp2 peer =
        RawHttp2.client(dial(), certificate(identity(mesh.stranger()), Clock.systemUTC()));
    peer.clientPreface();
    return peer;
  }

  private String server(int port) {
    return mesh.server().ipv4().getHostAddress() + ":" + port;
  }

  @ParameterizedTest(name = "{0} {1}: {2}")
  @CsvSource({
    "CONNECT, 'nonsense', 400, authority_invalid",
    "CONNECT, '10.240.2.10', 400, authority_invalid",
    "CONNECT, '10.240.2.10:0x50', 400, authority_invalid",
    "CONNECT, '10.240.2.10:99999', 400, authority_invalid",
    "CONNECT, SERVER:15001, 503, self_call",
    "CONNECT, SERVER:15006, 503, self_call",
    "CONNECT, SERVER:15008, 503, self_call",
    "CONNECT, '10.240.77.77:80', 400, address_mismatch",
    "CONNECT, 'nowhere.example:80', 503, hostname_unresolved",
    "CONNECT, SERVER:1, 503, connect_refused"
  })
  void requestThatCannotBeServed(String method, String authority, String status, String reason)
      throws IOException {
    int mark = mark(mesh.far());
    try (RawHttp2 peer = connect()) {
      peer.headers(
          1,
          ":method",
          method,
          ":authority",
          authority.replace("SERVER", mesh.server().ipv4().getHostAddress()));
      assertEquals(status, peer.awaitStatus(1));
      // The other requests of the connection are not concerned.
      peer.connect(3, server(FaultMesh.ECHO_PORT));
      assertEquals("200", peer.awaitStatus(3));
    }
    String _ = awaitLine(mesh.far(), mark, "reason=\"" + reason + "\"");
  }

  @Test
  void applicationThatClosesItsPortLetsItsTunnelsGo() throws IOException {
    int mark = mark(mesh.far());
    try (RawHttp2 caller = connect();
        RawHttp2 idle = connect();
        Application closing =
            Application.start(mesh.server(), CLOSING_PORT, Application.Service::echo)) {
      idle.connect(1, server(FaultMesh.ECHO_PORT));
      assertEquals("200", idle.awaitStatus(1));
      caller.connect(1, server(CLOSING_PORT));
      assertEquals("200", caller.awaitStatus(1));
      closing.refuse();
      caller.connect(3, server(CLOSING_PORT));
      assertEquals("503", caller.awaitStatus(3));
      assertEquals(0, caller.await(RawHttp2.GO_AWAY, 0).number(4), "NO_ERROR");
      assertEquals(0, idle.await(RawHttp2.GO_AWAY, 0).number(4), "NO_ERROR");
      // What is on its way before the client has heard of it is served all the same.
      idle.connect(3, server(FaultMesh.ECHO_PORT));
      assertEquals("200", idle.awaitStatus(3));
    }
    String _ = awaitLine(mesh.far(), mark, "the application has closed its port");
  }

  @Test
  void applicationThatIsOverloadedKeepsItsTunnels() throws IOException {
    int mark = mark(mesh.far());
    try (RawHttp2 caller = connect();
        ServerSocket _ = Peer.listen(mesh.server(), OVERLOADED_PORT, 1)) {
      int stream = 1;
      caller.connect(stream, server(OVERLOADED_PORT));
      assertEquals("200", caller.awaitStatus(stream));
      String status;
      do { // it accepts none, and its queue is full in the end
        stream += 2;
        caller.connect(stream, server(OVERLOADED_PORT));
        status = caller.awaitStatus(stream);
      } while (status.equals("200"));
      assertEquals("503", status);
    }
    String _ = awaitLine(mesh.far(), mark, "reason=\"connect_timed_out\"");
    List<String> lines = mesh.far().logLines();
    assertTrue(
        lines.subList(mark, lines.size()).stream()
            .noneMatch(line -> line.contains("the application has closed its port")),
        () -> String.join("\n", lines));
  }

  @Test
  void connectWithoutAuthority() throws IOException {
    int mark = mark(mesh.far());
    try (RawHttp2 peer = connect()) {
      peer.headers(1, ":method", "CONNECT");
      assertEquals("400", peer.awaitStatus(1));
    }
    String _ = awaitLine(mesh.far(), mark, "reason=\"authority_invalid\"");
  }

  @Test
  void methodThatIsNotConnect() throws IOException {
    int mark = mark(mesh.far());
    try (RawHttp2 peer = connect()) {
      peer.headers(1, ":method", "GET", ":scheme", "https", ":authority", server(80), ":path", "/");
      assertEquals("400", peer.awaitStatus(1));
    }
    String line = awaitLine(mesh.far(), mark, "reason=\"method_not_connect\"");
    assertTrue(line.contains("expected method CONNECT, got GET"), line);
  }

  @Test
  void certificateOfAnotherRoot() throws IOException {
    assertRefused(
        TestPki.root("foreign").workload(identity(mesh.stranger())),
        "tls_failed",
        "peer certificate signed by an unknown root");
  }

  @Test
  void certificateOfAnotherTrustDomain() throws IOException {
    String identity = "spiffe://elsewhere.example/ns/lab/sa/stranger";
    assertRefused(
        certificate(identity, Clock.systemUTC()),
        "wrong_trust_domain",
        "did not present the expected trustdomain (cluster.local), got " + identity);
  }

  @Test
  void certificateThatHasExpired() throws IOException {
    Clock yesterday = Clock.fixed(Instant.now().minus(Duration.ofDays(1)), ZoneOffset.UTC);
    assertRefused(
        certificate(identity(mesh.stranger()), yesterday),
        "tls_failed",
        "peer certificate expired");
  }

  private void assertRefused(KeyMaterial material, String reason, String cause) throws IOException {
    int mark = mark(mesh.far());
    assertThrows(
        IOException.class,
        () -> {
          try (RawHttp2 peer = RawHttp2.client(dial(), material)) {
            peer.clientPreface();
            peer.connect(1, server(FaultMesh.ECHO_PORT));
            String _ = peer.awaitStatus(1);
          }
        });
    String line = awaitLine(mesh.far(), mark, "connection failed", "reason=\"" + reason + "\"");
    assertTrue(line.contains(cause), line);
  }

  @Test
  void garbageInPlaceOfTls() throws IOException {
    int mark = mark(mesh.far());
    long seed = System.nanoTime();
    System.out.println("seed of the garbage: " + seed);
    byte[] garbage = new byte[10_000];
    new Random(seed).nextBytes(garbage);
    try (Socket socket = dial()) {
      socket.getOutputStream().write(garbage);
      assertEnded(socket);
    }
    String _ = awaitLine(mesh.far(), mark, "connection failed", "reason=\"tls_failed\"");
  }

  @Test
  void silenceInPlaceOfTls() throws IOException {
    int mark = mark(mesh.far());
    try (Socket socket = dial()) {
      assertEnded(socket);
    }
    String line = awaitLine(mesh.far(), mark, "connection failed", "reason=\"tls_failed\"");
    assertTrue(line.contains("not done within 3000 ms"), line);
  }

  @Test
  void tlsThatComesByteByByte() throws IOException {
    int mark = mark(mesh.far());
    byte[] hello = {0x16, 3, 1, 2, 0, 1, 0, 1, (byte) 0xfc, 3, 3};
    try (Socket socket = dial()) {
      for (byte next : hello) {
        socket.getOutputStream().write(next);
      }
      assertEnded(socket);
    }
    String line = awaitLine(mesh.far(), mark, "connection failed", "reason=\"tls_failed\"");
    assertTrue(line.contains("not done within 3000 ms"), line);
  }

  /** The daemon gives it up, by FIN or RST. */
  private static void assertEnded(Socket socket) throws IOException {
    try {
      byte[] _ = socket.getInputStream().readAllBytes(); // with the socket's own limit of 5 s
    } catch (SocketTimeoutException e) {
      throw e;
    } catch (IOException e) {
      // a reset is an end
    }
  }

  @Test
  void prefaceThatDoesNotCome() throws IOException {
    int mark = mark(mesh.far());
    try (RawHttp2 peer =
        RawHttp2.client(dial(), certificate(identity(mesh.stranger()), Clock.systemUTC()))) {
      peer.write("PRI * HTTP/2.0\r\n".getBytes(US_ASCII)); // and no more
      IOException _ = peer.awaitEnd();
    }
    String _ = awaitLine(mesh.far(), mark, "connection failed", "3000 ms");
  }

  @Test
  void prefaceOfAnotherProtocol() throws IOException {
    int mark = mark(mesh.far());
    try (RawHttp2 peer =
        RawHttp2.client(dial(), certificate(identity(mesh.stranger()), Clock.systemUTC()))) {
      peer.write("GET / HTTP/1.1\r\nHost: server\r\n\r\n".getBytes(US_ASCII));
      IOException _ = peer.awaitEnd();
    }
    String _ = awaitLine(mesh.far(), mark, "connection failed", "reason=\"h2_handshake_failed\"");
  }

  @Test
  void peerThatDiesWithinAFrame() throws IOException {
    int mark = mark(mesh.far());
    try (RawHttp2 peer = connect()) {
      peer.connect(1, server(FaultMesh.ECHO_PORT));
      assertEquals("200", peer.awaitStatus(1));
      peer.beginFrame(RawHttp2.DATA, 1, 1000, "only so much".getBytes(US_ASCII));
      Application.reset(peer.transport());
    }
    String _ = awaitLine(mesh.far(), mark, "connection complete", "direction=\"inbound\"");
  }

  @Test
  void peerThatDiesWithinAHeaderBlock() throws IOException {
    try (RawHttp2 peer = connect()) {
      peer.connect(1, server(FaultMesh.ECHO_PORT));
      assertEquals("200", peer.awaitStatus(1));
      peer.beginFrame(RawHttp2.HEADERS, 3, 1000, new byte[] {(byte) 0x83});
      Application.reset(peer.transport());
    }
  }

  @Test
  void peerThatNeverReads() throws IOException {
    try (RawHttp2 peer = connect()) {
      // All the credit there is, so that only TCP can hold the daemon back.
      peer.frame(RawHttp2.WINDOW_UPDATE, 0, 0, HUGE_CREDIT);
      peer.connect(1, server(POURING_PORT));
      peer.frame(RawHttp2.WINDOW_UPDATE, 0, 1, HUGE_CREDIT);
      FaultMesh.await("the application is asked", () -> pouring.connections() == 1);
      mesh.assertOthersGoOn();
    }
  }

  @Test
  void peerThatNeverCredits() throws IOException {
    try (RawHttp2 peer = connect()) {
      peer.connect(1, server(POURING_PORT));
      assertEquals("200", peer.awaitStatus(1));
      int received = 0;
      while (received < 65_535) {
        received += peer.await(RawHttp2.DATA, 1).length();
      }
      assertEquals(65_535, received, "bytes sent against the window");
      mesh.assertOthersGoOn();
    }
  }

  @Test
  void peerThatResetsEveryStream() throws IOException {
    int mark = mark(mesh.far());
    try (RawHttp2 peer = connect()) {
      for (int stream = 1; stream < 100; stream += 2) {
        peer.connect(stream, server(FaultMesh.ECHO_PORT));
        peer.reset(stream, RawHttp2.CANCEL);
      }
      peer.connect(101, server(FaultMesh.ECHO_PORT));
      assertEquals("200", peer.awaitStatus(101));
    }
    String _ = awaitLine(mesh.far(), mark, "connection complete", "direction=\"inbound\"");
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource({"reset, 'stream error received: CANCEL'", "lost, 'tunnel lost: '"})
  void peerThatLeavesBeforeTheApplicationHasAnswered(String how, String detail) throws IOException {
    int mark = mark(mesh.far());
    mesh.server().dropPort(SILENT_PORT);
    try (RawHttp2 peer = connect()) {
      peer.connect(1, server(SILENT_PORT));
      peer.awaitRead();
      if (how.equals("reset")) {
        peer.reset(1, RawHttp2.CANCEL);
      } else {
        Application.reset(peer.transport());
      }
      String line =
          awaitLine(mesh.far(), mark, "connection complete", "reason=\"client_went_away\"");
      assertTrue(line.contains("client went away before the application answered"), line);
      assertTrue(line.contains(detail), line);
    } finally {
      mesh.server().acceptPort(SILENT_PORT);
    }
  }

  @Test
  void floodOfStreamsThatAreReset() throws IOException {
    try (RawHttp2 peer = connect()) {
      assertThrows(
          IOException.class,
          () -> {
            for (int stream = 1; stream < 100_000; stream += 2) {
              peer.connect(stream, server(FaultMesh.ECHO_PORT));
              peer.reset(stream, RawHttp2.CANCEL);
            }
            throw new AssertionError("50,000 streams were opened and reset");
          });
    }
    FaultMesh.await(
        "the flood is counted",
        () ->
            mesh.far()
                .metrics()
                .lines()
                .anyMatch(
                    line ->
                        line.startsWith("ztunnel_hbone_floods_stopped_total{role=\"server\"")
                            && !line.endsWith(" 0")));
  }
}
