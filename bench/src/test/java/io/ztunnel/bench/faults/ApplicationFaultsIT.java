package io.ztunnel.bench.faults;

import static io.ztunnel.bench.faults.FaultMesh.awaitLine;
import static io.ztunnel.bench.faults.FaultMesh.mark;
import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Application;
import io.ztunnel.bench.lab.Requirements;
import io.ztunnel.redirection.Peer;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What applications at the two ends of a tunnel may do, and what the other end then sees. */
@TestInstance(Lifecycle.PER_CLASS)
class ApplicationFaultsIT {
  private static final int PORT = 9000;

  private FaultMesh mesh;

  @BeforeAll
  void start() throws IOException {
    Requirements.assumeLabWith();
    mesh = FaultMesh.start("apps", Map.of());
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

  /** What the application found when the client's half of the connection ended. */
  private enum End {
    FIN,
    RST
  }

  private static End endOf(Socket connection) throws IOException {
    try {
      InputStream in = connection.getInputStream();
      while (in.read() >= 0) {
        // what came before the end
      }
      return End.FIN;
    } catch (SocketTimeoutException e) {
      throw e;
    } catch (SocketException e) {
      return End.RST;
    }
  }

  private Application serve(Application.Service service) throws IOException {
    return Application.start(mesh.server(), PORT, service);
  }

  private Socket connect() throws IOException {
    return mesh.connectToServer(PORT);
  }

  @Test
  void applicationThatIsNotThere() throws IOException {
    int near = mark(mesh.near());
    int far = mark(mesh.far());
    try (Socket connection = connect()) {
      assertEquals(End.RST, endOf(connection));
    }
    String _ = awaitLine(mesh.far(), far, "connection complete", "reason=\"connect_refused\"");
    String line = awaitLine(mesh.near(), near, "connection complete", "reason=\"http_status\"");
    assertTrue(line.contains("503"), line);
  }

  @Test
  void applicationWhosePortIsDead() throws IOException {
    int far = mark(mesh.far());
    mesh.server().dropPort(PORT);
    try (Socket connection = connect()) {
      assertEquals(End.RST, endOf(connection));
    } finally {
      mesh.server().acceptPort(PORT);
    }
    String _ = awaitLine(mesh.far(), far, "connection complete", "reason=\"connect_timed_out\"");
  }

  @Test
  void podWhoseTunnelPortIsDead() throws IOException {
    int near = mark(mesh.near());
    mesh.server().dropPort(FaultMesh.HBONE_PORT);
    try (Socket connection = connect()) {
      assertEquals(End.RST, endOf(connection));
    } finally {
      mesh.server().acceptPort(FaultMesh.HBONE_PORT);
    }
    String line =
        awaitLine(mesh.near(), near, "connection complete", "reason=\"hbone_connect_timed_out\"");
    assertTrue(line.contains("maybe a NetworkPolicy is blocking HBONE port 15008"), line);
  }

  @Test
  void halfThatTheServerEndsFirst() throws Exception {
    CompletableFuture<String> heard = new CompletableFuture<>();
    try (Application _ =
            serve(
                connection -> {
                  Peer.say(connection, "that is all");
                  connection.shutdownOutput();
                  heard.complete(new String(connection.getInputStream().readAllBytes(), US_ASCII));
                });
        Socket connection = connect()) {
      assertEquals("that is all", new String(connection.getInputStream().readAllBytes(), US_ASCII));
      Peer.say(connection, "but I have more");
      connection.shutdownOutput();
      assertEquals("but I have more", heard.get(5, TimeUnit.SECONDS));
    }
  }

  /** Answers a client that goes on uploading, and closes with the rest unread. */
  private static Application.Service refusingTheUpload(boolean resets) {
    return connection -> {
      Peer.awaitFull(connection); // the daemon waits for room
      Peer.say(connection, "too large");
      if (resets) {
        connection.setSoLinger(true, 0); // else Java ends its half first
      }
    };
  }

  @ParameterizedTest(name = "the server resets: {0}")
  @ValueSource(booleans = {false, true})
  void answerToAnUploadThatTheServerDoesNotRead(boolean resets) throws Exception {
    try (Application _ = serve(refusingTheUpload(resets))) {
      for (int call = 0; call < 5; call++) {
        try (Socket connection = connect()) {
          Peer.upload(connection);
          assertEquals("too large", Peer.hear(connection, 9), "call " + call);
        }
      }
    }
  }

  @Test
  void halfThatTheClientEndsFirst() throws Exception {
    byte[] answer = new byte[3 << 20];
    try (Application _ =
            serve(
                connection -> {
                  byte[] _ = connection.getInputStream().readAllBytes();
                  connection.getOutputStream().write(answer);
                });
        Socket connection = connect()) {
      connection.shutdownOutput();
      assertEquals(answer.length, connection.getInputStream().readAllBytes().length);
    }
  }

  @Test
  void orderlyEndOfTheServerIsOneAtTheClient() throws IOException {
    try (Application _ = serve(connection -> {});
        Socket connection = connect()) {
      assertEquals(End.FIN, endOf(connection));
    }
  }

  @Test
  void resetOfTheServerIsOneAtTheClient() throws IOException {
    int far = mark(mesh.far());
    try (Application _ =
            serve(
                connection -> {
                  String _ = Peer.hear(connection, 5);
                  Application.reset(connection);
                });
        Socket connection = connect()) {
      Peer.say(connection, "hello");
      assertEquals(End.RST, endOf(connection));
    }
    String _ = awaitLine(mesh.far(), far, "connection complete");
  }

  @Test
  void resetOfTheServerAfterItsAnswerIsOneAtTheClient() throws IOException {
    try (Application _ =
            serve(
                connection -> {
                  Peer.say(connection, "half an answer");
                  String _ = Peer.hear(connection, 2);
                  Application.reset(connection);
                });
        Socket connection = connect()) {
      assertEquals("half an answer", Peer.hear(connection, 14));
      Peer.say(connection, "ok");
      assertEquals(End.RST, endOf(connection));
    }
  }

  @Test
  void orderlyEndOfTheClientIsOneAtTheServer() throws Exception {
    CompletableFuture<End> end = new CompletableFuture<>();
    try (Application _ = serve(connection -> end.complete(endOf(connection)))) {
      connect().close();
      assertEquals(End.FIN, end.get(5, TimeUnit.SECONDS));
    }
  }

  @Test
  void resetOfTheClientIsOneAtTheServer() throws Exception {
    CompletableFuture<End> end = new CompletableFuture<>();
    try (Application server =
        serve(
            connection -> {
              Peer.say(connection, "hello");
              end.complete(endOf(connection));
            })) {
      Socket connection = connect();
      assertEquals("hello", Peer.hear(connection, 5));
      Application.reset(connection);
      assertEquals(End.RST, end.get(5, TimeUnit.SECONDS));
      FaultMesh.await("the server is rid of it", () -> server.connections() == 0);
    }
  }

  @Test
  void resetWithinABulkTransferEndsItAtOnce() throws Exception {
    CompletableFuture<IOException> end = new CompletableFuture<>();
    try (Application _ =
        serve(
            connection -> {
              byte[] chunk = new byte[64 << 10];
              end.complete(
                  assertThrows(
                      IOException.class,
                      () -> {
                        while (true) {
                          connection.getOutputStream().write(chunk);
                        }
                      }));
            })) {
      Socket connection = connect();
      assertEquals(10 << 20, connection.getInputStream().readNBytes(10 << 20).length);
      Application.reset(connection);
      IOException _ = end.get(5, TimeUnit.SECONDS);
    }
  }
}
