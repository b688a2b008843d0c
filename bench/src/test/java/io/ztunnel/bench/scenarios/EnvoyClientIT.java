package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.hbone.SpiffeId;
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
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A stock Envoy opens tunnels, arranged as istiod arranges its waypoints and ingress gateways: to a
 * daemon that is the gateway of the east, within them to the daemon of a node there, and to that
 * daemon alone.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class EnvoyClientIT {
  private static final InetAddress LOOPBACK = InetAddress.ofLiteral("127.0.0.1");

  /** Ports of Envoy, by where it takes their connections. */
  private static final int THROUGH_GATEWAY = 9001;

  private static final int NOT_EXPORTED = 9002;
  private static final int DIRECT = 9003;
  private static final int DIRECT_TO_BYE = 9004;

  private Scene scene;
  private Lab.Pod ingress;
  private Lab.Pod server;
  private Daemon gateway;
  private Daemon node;

  @BeforeAll
  @Timeout(180)
  void start() throws Exception {
    scene = Scene.create("envoyclient");
    Lab.Node node1 = scene.lab().addNode();
    Lab.Node node2 = scene.lab().addNode();
    ingress = node1.addPod("ingress", Lab.Without.REDIRECTION);
    server = node2.addPod("server");
    Lab.Pod gatewayPod = node2.addPod("eastwest", Lab.Without.REDIRECTION);
    Envoy _ =
        Envoy.start(
            scene,
            ingress,
            SpiffeId.parse(Entry.identity(ingress)).orElseThrow(),
            "client.yaml",
            Map.of(
                "service", Entry.hostname("global"),
                "baggage", "k8s.cluster.name=west,k8s.namespace.name=shop,service.name=ingress",
                "server", server.ipv4().getHostAddress(),
                "serverIdentity", Entry.identity(server),
                "gateway", gatewayPod.ipv4().getHostAddress(),
                "gatewayIdentity", Gateway.IDENTITY.toString()),
            THROUGH_GATEWAY);

    Cluster east = new Cluster(scene, "east", 2);
    east.gateway(east, gatewayPod);
    String ports = "80: 8080";
    east.workload(east.pod(server).serving("global", ports).serving("private", ports));
    east.service("global", "10.97.0.1", ports);
    east.service("private", "10.97.0.2", ports);
    scene.app(server, 8080, App.ECHO_AT_THE_END);
    scene.app(server, 8082, App.SAYING_BYE);
    gateway = east.gatewayDaemon(gatewayPod, Map.of("GATEWAY_EXPORTS", "shop/global*"));
    node = east.daemon(node2, Map.of(), server);
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  @Test
  void aTunnelWithinATunnelReachesAPodThroughTheGateway() throws Exception {
    Journal gatewayLog = Journal.of(gateway);
    Journal nodeLog = Journal.of(node);

    assertEquals("hello", PodSockets.exchange(ingress, LOOPBACK, THROUGH_GATEWAY, "hello"));

    String passed = gatewayLog.await("direction=\"inbound\"");
    assertTrue(passed.startsWith("info connection complete"), passed);
    assertTrue(
        passed.contains(
            " src.identity=\"%s\" dst.addr=%s:15008 dst.hbone_addr=%s:80 "
                .formatted(
                    Entry.identity(ingress),
                    server.ipv4().getHostAddress(),
                    Entry.hostname("global"))),
        passed);
    String ended = nodeLog.await("direction=\"inbound\"");
    assertTrue(ended.startsWith("info connection complete"), ended);
    assertTrue(
        ended.contains(
            " src.workload=\"ingress\" src.namespace=\"shop\" src.identity=\"%s\" src.cluster=\"west\" "
                .formatted(Entry.identity(ingress))),
        ended);
    assertTrue(ended.contains(" bytes_sent=5 bytes_recv=5 "), ended);
  }

  @Test
  void aRefusalOfTheGatewayEndsTheConnection() throws Exception {
    Journal log = Journal.now(gateway);
    assertEquals(0, heard(NOT_EXPORTED), "bytes");
    log.awaitAny("\taccess\t", "reason=\"not_exported\"", Entry.identity(ingress));
  }

  private int heard(int port) throws IOException {
    try (Socket socket = PodSockets.connect(ingress, LOOPBACK, port)) {
      return socket.getInputStream().readAllBytes().length;
    } catch (SocketException e) {
      return 0; // Envoy may reset it as well as end it
    }
  }

  @Test
  void aTunnelToANodeReachesAPod() throws Exception {
    Journal log = Journal.of(node);
    assertEquals("hello", PodSockets.exchange(ingress, LOOPBACK, DIRECT, "hello"));
    String line = log.await("direction=\"inbound\"");
    assertTrue(line.startsWith("info connection complete"), line);
    assertTrue(line.contains(" src.identity=\"" + Entry.identity(ingress) + "\""), line);
  }

  @ParameterizedTest
  @ValueSource(ints = {THROUGH_GATEWAY, DIRECT})
  void megabytesGoBothWaysTheAnswerAfterTheClientHasEnded(int port) throws Exception {
    PodSockets.megabytesComeBack(ingress, LOOPBACK, port);
  }

  @Test
  void aServerMayEndFirst() throws Exception {
    Journal log = Journal.of(node);
    try (Socket socket = PodSockets.connect(ingress, LOOPBACK, DIRECT_TO_BYE)) {
      assertEquals("bye", PodSockets.hear(socket, 100));
    }
    String line = log.await("direction=\"inbound\"");
    assertTrue(line.startsWith("info connection complete"), line);
  }

  /** Two hundred tunnels to a node share a connection; those to the gateway have one each. */
  @ParameterizedTest
  @ValueSource(ints = {THROUGH_GATEWAY, DIRECT})
  void twoHundredAndFiftyConnectionsAreOpenAtATime(int port) throws Exception {
    List<Socket> open = new ArrayList<>();
    try {
      for (int i = 0; i < 250; i++) {
        open.add(PodSockets.connect(ingress, LOOPBACK, port));
        PodSockets.say(open.getLast(), "hello");
      }
      for (Socket socket : open) {
        socket.shutdownOutput();
        assertEquals("hello", PodSockets.hear(socket, 100));
      }
    } finally {
      for (Socket socket : open) {
        socket.close();
      }
    }
  }
}
