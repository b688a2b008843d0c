package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.Flood;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;

/**
 * A hundred connections of applications in one inner connection of one outer tunnel, through
 * daemons alone: who does not read, at either end, must not slow the others.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GatewaySlowReadersIT {
  private static final InetAddress VIP = InetAddress.ofLiteral("10.96.0.1");
  private static final int PORT = 80;
  private static final String PORTS = "80: 8080";

  /** What a connection begins with: it is to be answered with twice of all it says. */
  private static final int ECHOED = 'e';

  /** It is sent more than it reads. */
  private static final int FLOODED = 'f';

  /** It is not read. */
  private static final int UNREAD = 'u';

  /** Beside them and the two that stall there is no room in a connection. */
  private static final int OTHERS = 98;

  private static final int ROUNDS = 10;
  private static final int ASKED_BYTES = 16 << 10;

  /** Who shares a window with those that use it up takes for ever. */
  private static final Duration LIMIT = Duration.ofSeconds(3);

  private static final Duration AT_MOST = Duration.ofSeconds(60);

  /** One reader may be behind by more than a whole connection may bring unless it is credited. */
  private static final Map<String, String> WINDOWS =
      Map.of("HTTP2_STREAM_WINDOW_SIZE", "4194304", "HTTP2_CONNECTION_WINDOW_SIZE", "1048576");

  private final Flood down = new Flood();
  private final Flood up = new Flood();
  private final CountDownLatch reading = new CountDownLatch(1);
  private Scene scene;
  private Lab.Pod client;
  private Daemon west;
  private Daemon gateway;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("gwslow");
    Lab.Node near = scene.lab().addNode();
    Lab.Node far = scene.lab().addNode();
    client = near.addPod("client");
    Lab.Pod server = far.addPod("server");
    Lab.Pod gatewayPod = far.addPod("gateway", Lab.Without.REDIRECTION);
    Cluster western = new Cluster(scene, "west", 1);
    Cluster eastern = new Cluster(scene, "east", 2);
    western.workload(western.pod(client));
    western.gateway(eastern, gatewayPod);
    western.remote(
        eastern,
        "shared",
        VIP.getHostAddress(),
        PORTS,
        "[\"%s\"]".formatted(Entry.identity(server)),
        gatewayPod);
    eastern.workload(eastern.pod(server).serving("shared", PORTS));
    eastern.service("shared", "10.97.0.1", PORTS);
    scene.app(server, 8080, this::serve);

    Map<String, String> oneOfEach = new TreeMap<>(WINDOWS);
    oneOfEach.put("ZTUNNEL_WORKER_THREADS", "1");
    oneOfEach.put("ZTUNNEL_INNER_CONNECTIONS", "1");
    oneOfEach.put("ZTUNNEL_INNER_REFRESH", "1h");
    west = western.daemon(near, oneOfEach, client);
    Daemon _ = eastern.daemon(far, WINDOWS, server);
    Map<String, String> exporting = new TreeMap<>(WINDOWS);
    exporting.put("GATEWAY_EXPORTS", "shop/*");
    gateway = eastern.gatewayDaemon(gatewayPod, exporting);
  }

  private void serve(Socket connection) throws IOException, InterruptedException {
    switch (connection.getInputStream().read()) {
      case ECHOED -> App.ECHO_TWICE.serve(connection);
      case FLOODED -> down.pour(connection);
      case UNREAD -> {
        boolean _ = reading.await(AT_MOST.toSeconds(), TimeUnit.SECONDS);
        long _ = connection.getInputStream().transferTo(OutputStream.nullOutputStream());
      }
      default -> throw new IOException("expected: one of the three");
    }
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  private Socket connect(int manner) throws IOException {
    Socket socket = PodSockets.connect(client, VIP, PORT);
    socket.getOutputStream().write(manner);
    return socket;
  }

  /** All of them ask, and then each hears its answer. */
  private static void askAndHear(List<Socket> others) throws IOException {
    String question = "x".repeat(ASKED_BYTES);
    long begin = System.nanoTime();
    for (Socket each : others) {
      PodSockets.say(each, question);
    }
    for (Socket each : others) {
      assertEquals(question + question, PodSockets.hear(each, 2 * ASKED_BYTES));
    }
    Duration took = Duration.ofNanos(System.nanoTime() - begin);
    assertTrue(took.compareTo(LIMIT) < 0, () -> "a round took " + took);
  }

  private void assertAllInOne() throws IOException {
    assertEquals(
        1, Counters.sum(Counters.read(west), "ztunnel_remote_gateway_inner_connections_open"));
    Map<String, Double> atGateway = Counters.read(gateway);
    assertEquals(1, Counters.sum(atGateway, "ztunnel_gateway_tunnels_open"));
    assertEquals(1, Counters.sum(atGateway, "ztunnel_hbone_connections_open", "role=\"server\""));
  }

  @Test
  @Timeout(60)
  void whoDoesNotReadStopsNobodyInTheSameTunnels() throws Exception {
    List<Socket> others = new ArrayList<>();
    try (Socket flooded = connect(FLOODED);
        Socket unread = connect(UNREAD)) {
      for (int i = 0; i < OTHERS; i++) {
        others.add(connect(ECHOED));
      }
      askAndHear(others);
      up.pourMeanwhile(unread);
      down.awaitStall();
      up.awaitStall();
      for (int i = 0; i < ROUNDS; i++) {
        askAndHear(others);
      }
      assertAllInOne();

      // Once they do read, all goes on.
      long taken = up.sent();
      reading.countDown();
      Await.until("the server reads on", () -> up.sent() > 2 * taken);
      int more = Math.toIntExact(2 * down.sent());
      assertEquals(more, flooded.getInputStream().readNBytes(more).length);
    } finally {
      for (Socket each : others) {
        each.close();
      }
    }
  }
}
