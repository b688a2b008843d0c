package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.ztunnel.bench.lab.Application;
import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.Requirements;
import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.Peer;
import io.ztunnel.redirection.Transport;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.Socket;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Pod traffic on io_uring instead of epoll. */
class IoUringIT {
  private static final int PORT = 8080;
  private static final int CALLS = 10;

  private static final int UPLOAD_PORT = 8081;
  private static final int UPLOAD_BYTES = 16 << 20;

  private final Map<String, String> environment = Map.of("ZTUNNEL_TRANSPORT", "io_uring");

  @BeforeAll
  static void available() {
    String missing = Transport.IO_URING.unavailabilityReason();
    if (!missing.isEmpty()) {
      throw Requirements.skipped("no io_uring here: " + missing);
    }
  }

  @Test
  void podsOfTwoNodesAreTunnelled() throws Exception {
    try (Scene scene = Scene.create("uring")) {
      Lab.Node near = scene.lab().addNode();
      Lab.Node far = scene.lab().addNode();
      Lab.Pod client = scene.pod(near, "client");
      Lab.Pod server = scene.pod(far, "server");
      App app = scene.app(server, PORT, App.ECHO_TWICE);
      Daemon nearDaemon = scene.daemon(near, environment, client);
      Daemon farDaemon = scene.daemon(far, environment, server);
      for (int i = 0; i < CALLS; i++) {
        assertEquals("abab", PodSockets.exchange(client, server.ipv4(), PORT, "ab"));
        assertEquals("abab", PodSockets.exchange(client, server.ipv6(), PORT, "ab"));
      }
      assertEquals(client.ipv4(), app.clients().getFirst().getAddress());
      Journal.awaitRest(nearDaemon);
      Journal.awaitRest(farDaemon);
      for (Daemon daemon : new Daemon[] {nearDaemon, farDaemon}) {
        assertEquals(
            2 * CALLS,
            Journal.whole(daemon).access("connection complete", Entry.identity(client)).size());
      }
    }
  }

  /** What a client does with its connections to a server on another node. */
  @FunctionalInterface
  private interface Calls {
    void make(Lab.Pod client, Lab.Pod server) throws Exception;
  }

  private void callAnotherNode(Application.Service service, Calls calls) throws Exception {
    try (Scene scene = Scene.create("uring")) {
      Lab.Node near = scene.lab().addNode();
      Lab.Node far = scene.lab().addNode();
      Lab.Pod client = scene.pod(near, "client");
      Lab.Pod server = scene.pod(far, "server");
      scene.app(server, UPLOAD_PORT, service);
      Daemon nearDaemon = scene.daemon(near, environment, client);
      Daemon farDaemon = scene.daemon(far, environment, server);
      calls.make(client, server);
      Journal.awaitRest(nearDaemon);
      Journal.awaitRest(farDaemon);
    }
  }

  /**
   * The server hears all that it is sent after it has said its last, though it is slow to begin.
   */
  @Test
  void uploadToAServerThatHasEndedItsHalfIsWhole() throws Exception {
    byte[] sent = new byte[UPLOAD_BYTES];
    new Random(4711).nextBytes(sent);
    CompletableFuture<byte[]> heard = new CompletableFuture<>();
    callAnotherNode(
        connection -> {
          connection.shutdownOutput();
          Peer.awaitFull(connection); // the daemon waits for room
          heard.complete(connection.getInputStream().readAllBytes());
        },
        (client, server) -> {
          try (Socket connection = PodSockets.connect(client, server.ipv4(), UPLOAD_PORT)) {
            assertEquals(-1, connection.getInputStream().read());
            Thread _ = Thread.ofVirtual().start(() -> upload(sent, connection));
            assertArrayEquals(sent, heard.get(20, TimeUnit.SECONDS));
          }
        });
  }

  /** As a server does that refuses an upload without reading it. */
  @Test
  void answerToAnUploadThatIsNotReadArrives() throws Exception {
    callAnotherNode(
        connection -> {
          Peer.awaitFull(connection); // the daemon waits for room
          Peer.say(connection, "too large");
        },
        (client, server) -> {
          for (int call = 0; call < 5; call++) {
            try (Socket connection = PodSockets.connect(client, server.ipv4(), UPLOAD_PORT)) {
              Peer.upload(connection);
              assertEquals("too large", Peer.hear(connection, 9), "call " + call);
            }
          }
        });
  }

  private static void upload(byte[] bytes, Socket connection) {
    try {
      connection.getOutputStream().write(bytes);
      connection.shutdownOutput();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
