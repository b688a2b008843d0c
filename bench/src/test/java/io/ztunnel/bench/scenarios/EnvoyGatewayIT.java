package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A stock Envoy is the gateway of the east, arranged as istiod arranges one; daemons of the west
 * call through it, one that keeps inner connections and one that does not.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class EnvoyGatewayIT {
  private static final int PORT = 8080;
  private static final String PORTS = "80: 8080, 81: 8081, 82: 8082";
  private static final InetAddress ECHO = InetAddress.ofLiteral("10.96.0.1");
  private static final InetAddress GONE = InetAddress.ofLiteral("10.96.0.2");
  private static final InetAddress UNKNOWN = InetAddress.ofLiteral("10.96.0.3");

  private static final String NO_SERVICE =
      "error=\"http status: 503 Service Unavailable\" reason=\"http_status\"";
  private static final String RESET =
      "error=\"h2 failed: stream error received: CONNECT_ERROR\" reason=\"h2_reset\"";

  /** Whose client it is. */
  enum Caller {
    KEEPS_INNER_CONNECTIONS,
    MAKES_ONE_FOR_EACH_CALL
  }

  private Scene scene;
  private Lab.Pod keeping;
  private Lab.Pod single;
  private Lab.Pod server;
  private Lab.Pod second;
  private Lab.Pod gatewayPod;
  private Envoy envoy;
  private Daemon keepingDaemon;
  private Daemon singleDaemon;
  private Daemon east;

  @BeforeAll
  @Timeout(180)
  void start() throws Exception {
    scene = Scene.create("envoy");
    Lab.Node node1 = scene.lab().addNode();
    Lab.Node node2 = scene.lab().addNode();
    Lab.Node node3 = scene.lab().addNode();
    keeping = node1.addPod("keeping");
    single = node2.addPod("single");
    server = node3.addPod("server");
    second = node3.addPod("second");
    gatewayPod = node3.addPod("gateway", Lab.Without.REDIRECTION);
    Lab.Pod silent = node3.addPod("silent", Lab.Without.REDIRECTION); // nobody listens
    envoy =
        Envoy.start(
            scene,
            gatewayPod,
            Gateway.IDENTITY,
            "gateway.yaml",
            Map.of(
                "first", server.ipv4().getHostAddress(),
                "second", second.ipv4().getHostAddress(),
                "silent", silent.ipv4().getHostAddress()),
            15008);

    Cluster western = new Cluster(scene, "west", 1);
    Cluster eastern = new Cluster(scene, "east", 2);
    western.workload(western.pod(keeping));
    western.workload(western.pod(single));
    western.gateway(eastern, gatewayPod);
    String sans = "[\"%s\", \"%s\"]".formatted(Entry.identity(server), Entry.identity(second));
    western.remote(eastern, "echo", ECHO.getHostAddress(), PORTS, sans, gatewayPod);
    western.remote(eastern, "gone", GONE.getHostAddress(), PORTS, sans, gatewayPod);
    western.remote(eastern, "unknown", UNKNOWN.getHostAddress(), PORTS, sans, gatewayPod);
    eastern.service("echo", "10.97.0.1", PORTS);
    for (Lab.Pod pod : List.of(server, second)) {
      eastern.workload(eastern.pod(pod).serving("echo", PORTS));
      scene.app(pod, PORT, App.ECHO_TWICE);
      scene.app(pod, PORT + 1, App.ECHO_AT_THE_END);
      scene.app(pod, PORT + 2, App.SAYING_BYE);
    }
    keepingDaemon = western.daemon(node1, Map.of(), keeping);
    singleDaemon = western.daemon(node2, Map.of("ZTUNNEL_INNER_CONNECTIONS", "0"), single);
    east = eastern.daemon(node3, Map.of(), server, second);
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  private Lab.Pod pod(Caller caller) {
    return switch (caller) {
      case KEEPS_INNER_CONNECTIONS -> keeping;
      case MAKES_ONE_FOR_EACH_CALL -> single;
    };
  }

  private Daemon daemon(Caller caller) {
    return switch (caller) {
      case KEEPS_INNER_CONNECTIONS -> keepingDaemon;
      case MAKES_ONE_FOR_EACH_CALL -> singleDaemon;
    };
  }

  private String gatewayAddress() {
    return gatewayPod.ipv4().getHostAddress() + ":15008";
  }

  @ParameterizedTest
  @EnumSource
  void aCallReachesAPodAndBothEndsNameTheRealPeer(Caller caller) throws Exception {
    Journal westLog = Journal.of(daemon(caller));
    Journal eastLog = Journal.of(east);

    assertEquals(
        "hello worldhello world", PodSockets.exchange(pod(caller), ECHO, 80, "hello world"));

    String outbound = westLog.await("direction=\"outbound\"");
    String reached = outbound.contains("\"server-app\"") ? "server" : "second";
    String authority = Entry.hostname("echo") + ":80";
    assertTrue(
        outbound.contains(
            (" dst.addr=%s dst.hbone_addr=%s dst.service=\"%s\" dst.workload=\"%s-app\""
                    + " dst.namespace=\"shop\" dst.identity=\"spiffe://cluster.local/ns/shop/sa/%s\""
                    + " dst.cluster=\"east\" direction=\"outbound\" bytes_sent=11 bytes_recv=22")
                .formatted(gatewayAddress(), authority, Entry.hostname("echo"), reached, reached)),
        outbound);
    assertTrue(outbound.startsWith("info "), outbound);
    String inbound = eastLog.await("direction=\"inbound\"");
    assertTrue(
        inbound.contains(
            "src.addr=%s:* src.workload=\"%s-name\" src.namespace=\"shop\" src.identity=\"%s\" src.cluster=\"west\""
                .formatted(
                    gatewayPod.ipv4().getHostAddress(),
                    pod(caller).name(),
                    Entry.identity(pod(caller)))),
        inbound);
    assertTrue(inbound.contains(" dst.workload=\"" + reached + "\""), inbound);
  }

  @Test
  void envoyIsToldWhatTheReferenceTells() throws Exception {
    assertEquals("hihi", PodSockets.exchange(single, ECHO, 80, "hi"));
    String tunnel =
        envoy.await(
            "authority=echo.shop.svc.cluster.local:80",
            "peer=" + Entry.identity(single),
            "status=200");
    String expected =
        " baggage=k8s\\.cluster\\.name=west,k8s\\.namespace\\.name=shop,k8s\\.deployment\\.name=single-app,"
            + "service\\.name=single-name,service\\.version=v1,cloud\\.region=r1,cloud\\.availability_zone=z1"
            + " forwarded=for=\"%s:[0-9]+\";host=echo\\.shop\\.svc\\.cluster\\.local"
                .formatted(single.ipv4().getHostAddress())
            + " traceparent=00-[0-9a-f]{32}-[0-9a-f]{16}-00 network=-";
    assertTrue(tunnel.matches(".*" + expected), tunnel);
  }

  /** How evenly is up to Envoy, which takes the one of two with the fewest connections. */
  @ParameterizedTest
  @EnumSource
  void callsReachAllPods(Caller caller) throws Exception {
    Journal log = Journal.of(east);
    for (int i = 0; i < 60; i++) {
      assertEquals("hihi", PodSockets.exchange(pod(caller), ECHO, 80, "hi"));
    }
    Await.until("all calls are logged", () -> log.access("direction=\"inbound\"").size() == 60);
    for (Lab.Pod each : List.of(server, second)) {
      assertFalse(log.access("dst.workload=\"" + each.name() + "\"").isEmpty(), each::name);
    }
  }

  @ParameterizedTest
  @EnumSource
  void megabytesGoBothWaysTheAnswerAfterTheClientHasEnded(Caller caller) throws Exception {
    PodSockets.megabytesComeBack(pod(caller), ECHO, 81);
  }

  @ParameterizedTest
  @EnumSource
  void aServerMayEndFirst(Caller caller) throws Exception {
    Journal log = Journal.of(daemon(caller));
    try (Socket socket = PodSockets.connect(pod(caller), ECHO, 82)) {
      assertEquals("bye", PodSockets.hear(socket, 100));
    }
    String line = log.await("direction=\"outbound\"");
    assertTrue(line.startsWith("info connection complete"), line);
  }

  /** Envoy lets a connection have a hundred tunnels. */
  @ParameterizedTest
  @EnumSource
  void moreConnectionsAreOpenThanEnvoyAllowsTunnels(Caller caller) throws Exception {
    List<Socket> open = new ArrayList<>();
    try {
      for (int i = 0; i < 250; i++) {
        open.add(PodSockets.connect(pod(caller), ECHO, 80));
        PodSockets.say(open.getLast(), "hi");
      }
      for (Socket socket : open) {
        assertEquals("hihi", PodSockets.hear(socket, 4));
      }
    } finally {
      for (Socket socket : open) {
        socket.close();
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void aServiceThatEnvoyDoesNotServeFails(Caller caller) throws Exception {
    isRefused(caller, UNKNOWN, NO_SERVICE);
  }

  /** Envoy answers before or after it knows: by 503, or by 200 and a reset. */
  @ParameterizedTest
  @EnumSource
  void aPodThatEnvoyDoesNotReachFails(Caller caller) throws Exception {
    isRefused(caller, GONE, NO_SERVICE + "|" + RESET);
  }

  private void isRefused(Caller caller, InetAddress service, String why) throws Exception {
    Journal log = Journal.of(daemon(caller));
    PodSockets.isReset(pod(caller), service, 80);
    String line = log.await("direction=\"outbound\"");
    assertTrue(line.matches("error connection complete .* (%s)".formatted(why)), line);
  }

  @ParameterizedTest
  @EnumSource
  void noCallFailsWhileEnvoyDrains(Caller caller) throws Exception {
    Journal log = Journal.of(daemon(caller));
    try (Socket socket = PodSockets.connect(pod(caller), ECHO, 80)) {
      PodSockets.say(socket, "hi");
      assertEquals("hihi", PodSockets.hear(socket, 4));
      envoy.drain();
      for (int i = 0; i < 30; i++) {
        assertEquals("hihi", PodSockets.exchange(pod(caller), ECHO, 80, "hi"));
      }
      PodSockets.say(socket, "still");
      socket.shutdownOutput();
      assertEquals("stillstill", PodSockets.hear(socket, 100));
      Await.until("all calls are logged", () -> log.access().size() == 31);
      assertEquals(List.of(), log.access("error="));
    } finally {
      envoy.stop();
      envoy.startAgain();
    }
  }

  @ParameterizedTest
  @EnumSource
  void callsWorkAgainWhenEnvoyIsBack(Caller caller) throws Exception {
    Journal log;
    try (Socket socket = PodSockets.connect(pod(caller), ECHO, 80)) {
      PodSockets.say(socket, "hi");
      assertEquals("hihi", PodSockets.hear(socket, 4));
      envoy.stop();
      assertThrows(SocketException.class, () -> socket.getInputStream().read());
      log = Journal.of(daemon(caller));
      PodSockets.isReset(pod(caller), ECHO, 80);
    } finally {
      envoy.startAgain();
    }
    String line = log.await("direction=\"outbound\"");
    assertTrue(line.contains(" reason=\"hbone_connect_refused\""), line);
    Await.until(
        "calls go through",
        () -> {
          try {
            return PodSockets.exchange(pod(caller), ECHO, 80, "hi").equals("hihi");
          } catch (IOException e) {
            return false; // the gateway is set aside for a while
          }
        });
  }
}
