package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.Socket;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** How a daemon ends, and how another one takes over. Each test has daemons of its own. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ShutdownIT {
  private static final int PORT = 8080;
  private static final String SOURCE_SOCKETS = "istio_tcp_sockets_open{reporter=\"source\"";
  private static final Duration SOON = Duration.ofSeconds(15);
  private static final Map<String, String> PATIENT =
      Map.of("CONNECTION_TERMINATION_DEADLINE", "60s", "ZTUNNEL_HANDOVER_WAIT", "0s");

  private Scene scene;
  private Lab.Node node;
  private Lab.Node otherPlace;
  private Lab.Pod client;
  private Lab.Pod server;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("shutdown");
    node = scene.lab().addNode();
    otherPlace = scene.lab().addNode();
    client = scene.pod(node, "client");
    server = scene.pod(node, "server");
    scene.app(server, PORT, App.ECHO_TWICE);
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  private Socket open() throws IOException {
    Socket socket = PodSockets.connect(client, server.ipv4(), PORT);
    goesOn(socket);
    return socket;
  }

  private static void goesOn(Socket socket) throws IOException {
    PodSockets.say(socket, "hello");
    assertEquals("hellohello", PodSockets.hear(socket, 10));
  }

  private static void end(Socket socket) throws IOException {
    socket.shutdownOutput();
    assertEquals(-1, socket.getInputStream().read());
  }

  /** True once nobody listens for the client's connections any more. */
  private boolean isRefused() throws IOException {
    try (Socket _ = PodSockets.connect(client, server.ipv4(), PORT)) {
      return false;
    } catch (ConnectException e) {
      return true;
    }
  }

  /** Fails with the daemon's log. */
  private void awaitRefused(Daemon daemon) throws IOException {
    try {
      Await.until("new connections are refused", this::isRefused);
    } catch (AssertionError e) {
      throw new AssertionError(
          e.getMessage() + ", log:\n" + String.join("\n", Journal.whole(daemon).lines()), e);
    }
  }

  @Test
  void sigtermLetsConnectionsGoOnAndRefusesNewOnes() throws Exception {
    try (Daemon daemon = scene.daemon("sigterm", node, PATIENT, client, server)) {
      try (Socket held = open()) {
        daemon.signal("TERM");
        Await.until("new connections are refused", this::isRefused);
        goesOn(held);
        assertTrue(daemon.isAlive());
      }
      assertEquals(0, daemon.awaitExit(SOON));
      Journal log = Journal.whole(daemon);
      String line = log.awaitAny("direction=\"outbound\"", "bytes_sent=10 bytes_recv=20");
      assertTrue(line.contains("\tinfo\taccess\tconnection complete\t"), line);
    }
  }

  @Test
  void aSocksClientMaySayWhereItGoesWhileTheDaemonDrains() throws Exception {
    Map<String, String> environment = new HashMap<>(PATIENT);
    // Not the pod of the same node, which takes no more tunnels either.
    scene.app(otherPlace, PORT, App.ECHO_TWICE);
    environment.put("UNSTABLE_ENABLE_SOCKS5", "true");
    environment.put("ISTIO_META_DNS_CAPTURE", "false");
    try (Daemon daemon = scene.daemon("socks", node, environment, client, server)) {
      try (Socket socket =
          PodSockets.connect(client, InetAddress.ofLiteral("127.0.0.1"), Socks5IT.SOCKS_PORT)) {
        Socks5IT.send(socket, Socks5IT.GREETING);
        assertEquals(2, socket.getInputStream().readNBytes(2).length);
        assertEquals(1, Counters.sum(Counters.read(daemon), SOURCE_SOCKETS));
        daemon.signal("TERM");
        awaitRefused(daemon);
        Await.until(
            "it alone is waited for",
            () -> Counters.sum(Counters.read(daemon), "ztunnel_drain_connections_left") == 1);
        Socks5IT.send(socket, Socks5IT.request("01", otherPlace.ipv4(), PORT));
        assertEquals(10, socket.getInputStream().readNBytes(10).length);
        goesOn(socket);
        assertEquals(1, Counters.sum(Counters.read(daemon), SOURCE_SOCKETS));
      }
      assertEquals(0, daemon.awaitExit(SOON));
    }
  }

  @Test
  void aDaemonThatDrainsIsNotReadyAndCanBeWatched() throws Exception {
    try (Daemon daemon = scene.daemon("watched", node, PATIENT, client, server)) {
      try (Socket held = open()) {
        assertEquals(200, Http.ask(node, Http.READINESS, "GET /healthz/ready").status());
        daemon.signal("TERM");
        Await.until(
            "it is not ready",
            () -> Http.ask(node, Http.READINESS, "GET /healthz/ready").status() == 503);
        assertTrue(
            Http.ask(node, Http.READINESS, "GET /readyz?verbose").text().startsWith("[-] drain: "));
        Await.until(
            "the metrics count what is left",
            () -> Counters.sum(Counters.read(daemon), "ztunnel_drain_connections_left") > 0);
        // What it waits for is shown, by its pod and with its addresses.
        Http dump = Http.ask(node, Http.ADMIN, "GET /config_dump");
        assertEquals(200, dump.status());
        String actual = server.ipv4().getHostAddress() + ":" + PORT;
        assertTrue(dump.text().contains("\"originalDst\": \"" + actual), dump::text);
        assertEquals(2, Counters.sum(Counters.read(daemon), "workload_manager_active_proxy_count"));
        goesOn(held);
      }
      assertEquals(0, daemon.awaitExit(SOON));
    }
  }

  @Test
  void sigtermEndsTheStreamOfTheAgentBeforeTheConnections() throws Exception {
    try (Daemon daemon = scene.daemon("leaving", node, PATIENT, client, server)) {
      try (Socket held = open()) {
        daemon.signal("TERM");
        assertTrue(daemon.session().isEnded(SOON), "the agent would hand it new pods");
        goesOn(held);
        assertTrue(daemon.isAlive());
      }
      assertEquals(0, daemon.awaitExit(SOON));
      assertEquals(
          List.of(),
          Journal.whole(daemon).lines().stream()
              .filter(line -> line.contains("stream of the CNI agent ended"))
              .toList());
    }
  }

  @Test
  void sigtermGoesOnAcceptingWhileThereAreConnections() throws Exception {
    try (Daemon daemon =
        scene.daemon(
            "lingering",
            node,
            Map.of("CONNECTION_TERMINATION_DEADLINE", "60s", "ZTUNNEL_HANDOVER_WAIT", "3s"),
            client,
            server)) {
      try (Socket held = open()) {
        daemon.signal("TERM");
        Journal.whole(daemon).awaitAny("shutting down");
        open().close();
        Journal.whole(daemon).awaitAny("\twarn\t", "accepting no more");
        awaitRefused(daemon); // each pod's proxy for itself
        goesOn(held);
      }
      assertEquals(0, daemon.awaitExit(SOON));
    }
  }

  @Test
  void theDeadlineCutsWhatIsLeft() throws Exception {
    try (Daemon daemon =
            scene.daemon(
                "deadline", node, Map.of("CONNECTION_TERMINATION_DEADLINE", "1s"), client, server);
        Socket held = open()) {
      daemon.signal("TERM");
      assertEquals(0, daemon.awaitExit(SOON));
      assertThrows(IOException.class, () -> goesOnOrEnds(held));
      Journal log = Journal.whole(daemon);
      log.awaitAny(
          "\twarn\t",
          "drain duration expired with pending connections, forcefully shutting down",
          "connections=1",
          "bound " + client.ipv4().getHostAddress());
      // The first of its two halves to be cut says so; the other may see its end as any other one.
      log.awaitAny(
          "\terror\taccess\tconnection complete\t",
          "error=\"connection closed due to connection drain\"");
      assertEquals(2, log.access("connection complete").size(), log.lines()::toString);
    }
  }

  private static void goesOnOrEnds(Socket socket) throws IOException {
    for (int i = 0; i < 100; i++) {
      PodSockets.say(socket, "hello");
      if (socket.getInputStream().read() < 0) {
        throw new IOException("ended");
      }
    }
  }

  @Test
  void theSecondSigintEndsAtOnce() throws Exception {
    try (Daemon daemon = scene.daemon("sigint", node, PATIENT, client, server);
        Socket held = open()) {
      daemon.signal("INT");
      awaitRefused(daemon);
      goesOn(held);
      assertTrue(daemon.isAlive());
      daemon.signal("INT");
      assertEquals(0, daemon.awaitExit(SOON));
    }
  }

  @Test
  void theAdminServerEndsTheDaemonToo() throws Exception {
    try (Daemon daemon = scene.daemon("quit", node, PATIENT, client, server)) {
      assertEquals(405, Http.ask(node, Http.ADMIN, "GET /quitquitquit").status());
      assertEquals(
          "200 shutdown now\n", Http.ask(node, Http.ADMIN, "POST /quitquitquit").toString());
      assertEquals(0, daemon.awaitExit(SOON));
    }
  }

  @Test
  void aFreshDaemonTakesOverWhileTheOldOneDrains() throws Exception {
    // The fresh one is elsewhere, as on a real node, where each daemon is in a pod of its own.
    try (Daemon old = scene.daemon("old", node, PATIENT, client, server);
        Socket held = open();
        Daemon fresh =
            scene.daemon(
                "fresh", otherPlace, Map.of("NODE_NAME", Daemon.nodeName(node)), client, server)) {
      for (int i = 0; i < 20; i++) {
        open().close(); // both are listening, and either will do
      }
      old.signal("TERM");
      Journal.whole(old).awaitAny("shutting down");
      Await.until("the old one has closed its listeners", () -> listeners(old) == 0);

      double before = served(fresh);
      for (int i = 0; i < 20; i++) {
        open().close();
      }
      Await.equal(before + 20, () -> served(fresh));
      goesOn(held);
      end(held);
      assertEquals(0, old.awaitExit(SOON));
      open().close();
    }
  }

  private static double served(Daemon daemon) throws IOException {
    return Counters.sum(
        Counters.read(daemon), "istio_tcp_connections_opened_total", "reporter=\"source\"");
  }

  /** How many sockets of the process listen for the client's outbound connections. */
  private long listeners(Daemon daemon) throws IOException {
    return client
        .exec(SOON, "ss", "--no-header", "--listening", "--tcp", "--numeric", "--processes")
        .out()
        .lines()
        .filter(line -> line.contains(":15001") && line.contains("pid=" + daemon.pid() + ","))
        .count();
  }
}
