package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Calls to the ports of the proxy itself: its metrics are served to the mesh, nothing loops. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class OwnPortsIT {
  private static final String REQUEST = "GET /metrics HTTP/1.0\r\nHost: ztunnel\r\n\r\n";

  /** An alert record, or nothing. */
  private static final String TLS_ALERT = "(\\u0015.*)?";

  /** "Not supported", or nothing. */
  private static final String SOCKS_REFUSAL = "(\\u0005\\u0007.*)?";

  private Scene scene;
  private Lab.Node node;
  private Lab.Pod client;
  private Lab.Pod outsider;
  private Daemon daemon;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("own");
    node = scene.lab().addNode();
    client = scene.pod(node, "client");
    outsider = node.addPod("outsider", Lab.Without.REDIRECTION);
    daemon = daemon(scene, node, client);
  }

  /** A daemon whose own pod is one of the mesh. */
  private static Daemon daemon(Scene scene, Lab.Node node, Lab.Pod pod) throws Exception {
    scene.workload(
        Entry.workload("ztunnel")
            .with("node", Daemon.nodeName(node))
            .with("workloadIps", "[" + node.ipv4().getHostAddress() + "]"));
    return scene.daemon(
        node,
        Map.of(
            "POD_NAME", "ztunnel",
            "POD_NAMESPACE", "shop",
            "SERVICE_ACCOUNT", "ztunnel",
            "UNSTABLE_ENABLE_SOCKS5", "true",
            "CONNECTION_TERMINATION_DEADLINE", "60s",
            "ZTUNNEL_HANDOVER_WAIT", "60s"),
        pod);
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  @Test
  void aPodReadsTheMetricsThroughATunnelToTheDaemonItself() throws Exception {
    Journal log = Journal.of(daemon);

    String answer = PodSockets.exchange(client, node.ipv4(), 15020, REQUEST);

    assertTrue(answer.startsWith("HTTP/1.1 200 OK\r\n"), answer);
    assertTrue(answer.contains("istio_build{component=\"ztunnel\""), answer);
    String inbound = log.await("direction=\"inbound\"");
    assertTrue(
        inbound.contains(
            "src.identity=\"%1$s\" src.cluster=\"Kubernetes\" dst.addr=%2$s:15008 dst.hbone_addr=%2$s:15020 dst.workload=\"ztunnel\" dst.namespace=\"shop\" dst.identity=\"spiffe://cluster.local/ns/shop/sa/ztunnel\""
                .formatted(Entry.identity(client), node.ipv4().getHostAddress())),
        inbound);
  }

  @Test
  void aScraperThatKeepsItsConnectionDoesNotKeepTheDaemonFromEnding() throws Exception {
    try (Scene ending = Scene.create("ownend")) {
      Lab.Node place = ending.lab().addNode();
      Lab.Pod scraper = ending.pod(place, "scraper");
      Daemon scraped = daemon(ending, place, scraper);
      try (Socket socket = PodSockets.connect(scraper, place.ipv4(), 15020)) {
        PodSockets.say(socket, "GET /no-page HTTP/1.1\r\nHost: ztunnel\r\n\r\n");
        assertEquals("HTTP/1.1 404", PodSockets.hear(socket, 12));
        scraped.signal("TERM");
        byte[] _ = socket.getInputStream().readAllBytes(); // to its end
      }
      assertEquals(0, scraped.awaitExit(Duration.ofSeconds(20)));
    }
  }

  enum Caller {
    CAPTURED,
    UNCAPTURED
  }

  enum Target {
    OWN_POD,
    CLIENT_POD,
    LOCALHOST,
    DAEMON
  }

  record Attempt(Caller caller, Target target, int port) {}

  static List<Attempt> attempts() {
    List<Attempt> attempts = new ArrayList<>();
    for (Caller caller : Caller.values()) {
      for (Target target : Target.values()) {
        for (int port : List.of(15001, 15006, 15008, 15080, 15000, 15020, 15021)) {
          attempts.add(new Attempt(caller, target, port));
        }
      }
    }
    return attempts;
  }

  @ParameterizedTest
  @MethodSource("attempts")
  void nothingLoopsOrLeaks(Attempt attempt) throws Exception {
    Lab.Pod from = attempt.caller() == Caller.CAPTURED ? client : outsider;
    InetAddress to =
        switch (attempt.target()) {
          case OWN_POD -> from.ipv4();
          case CLIENT_POD -> client.ipv4();
          case LOCALHOST -> InetAddress.ofLiteral("127.0.0.1");
          case DAEMON -> node.ipv4();
        };

    String answer = answer(from, to, attempt.port());

    assertTrue(answer.matches(expected(attempt)), () -> attempt + " answered " + answer);
    Await.equal("no socket, connection or tunnel is left", this::leftBehind);
  }

  @Test
  void nothingLoopsAtAnAddressThatTheMeshDoesNotKnow() throws Exception {
    InetAddress unknown = InetAddress.ofLiteral("10.99.0.1");
    Lab.Output output =
        client.exec(
            Duration.ofSeconds(10),
            "ip",
            "addr",
            "add",
            unknown.getHostAddress() + "/32",
            "dev",
            "eth0");
    assertEquals(0, output.exitStatus(), output::err);
    Journal log = Journal.of(daemon);
    assertEquals("", answer(client, unknown, 15001));
    String line = log.await("dst.addr=10.99.0.1:15001");
    assertTrue(line.contains("reason=\"self_call\""), line);
    Await.equal("no socket, connection or tunnel is left", this::leftBehind);
  }

  /** What garbage may be answered; the daemon's own HTTP servers are the only ones that talk. */
  private static String expected(Attempt attempt) {
    boolean ownListener =
        (attempt.caller() == Caller.CAPTURED && attempt.target() != Target.DAEMON)
            || attempt.target() == Target.CLIENT_POD;
    return switch (attempt.port()) {
      case 15020, 15021 -> attempt.target() == Target.DAEMON ? "HTTP/1\\.1 400 .*" : "";
      case 15008 -> ownListener || attempt.target() == Target.DAEMON ? TLS_ALERT : "";
      case 15080 -> ownListener ? SOCKS_REFUSAL : "";
      default -> "";
    };
  }

  /** All that comes back for garbage, one character a byte, until the connection is over. */
  private static String answer(Lab.Place from, InetAddress to, int port) throws IOException {
    StringBuilder received = new StringBuilder();
    try (Socket socket = PodSockets.connect(from, to, port)) {
      PodSockets.say(socket, "garbage\r\n\r\n");
      for (int read = socket.getInputStream().read();
          read >= 0;
          read = socket.getInputStream().read()) {
        received.append((char) read);
      }
    } catch (SocketException e) {
      // Refused, or reset: as good an end as any. A timeout is another exception.
    }
    return received.toString().replaceAll("\\s+", " ");
  }

  private String leftBehind() throws IOException {
    Map<String, Double> samples = Counters.read(daemon);
    // An idle tunnel connection is kept for further use, and counts as a socket at its server end.
    double idle = Counters.sum(samples, "ztunnel_hbone_connections_open", "role=\"server\"");
    double sockets = Counters.sum(samples, "istio_tcp_sockets_open") - idle;
    double tunnels = Counters.sum(samples, "ztunnel_tunnels_open");
    double connections =
        Counters.sum(samples, "istio_tcp_connections_opened_total")
            - Counters.sum(samples, "istio_tcp_connections_closed_total");
    return sockets == 0 && tunnels == 0 && connections == 0
        ? "no socket, connection or tunnel is left"
        : "%s sockets, %s connections, %s tunnels".formatted(sockets, connections, tunnels);
  }
}
