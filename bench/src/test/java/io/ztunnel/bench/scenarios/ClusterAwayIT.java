package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
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
import org.junit.jupiter.api.Timeout;

/**
 * Another cluster that is entirely away: whatever is sent to its node or by it vanishes without a
 * word, while tunnels through both its gateways are open. All of them are daemons.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ClusterAwayIT {
  private static final String PORTS = "80: 8080";

  /** Its only pod is in the other cluster. */
  private static final InetAddress FAR = InetAddress.ofLiteral("10.96.0.1");

  /** It has pods in both clusters, which take turns. */
  private static final InetAddress MIXED = InetAddress.ofLiteral("10.96.0.2");

  /** It has pods in both clusters, of which those here are preferred. */
  private static final InetAddress NEAR = InetAddress.ofLiteral("10.96.0.3");

  /** Until a call that can reach nobody has failed: each gateway is sought for three seconds. */
  private static final Duration GIVEN_UP = Duration.ofSeconds(8);

  private static final String UPLINK = "up0";

  private Scene scene;
  private Lab.Node far;
  private Lab.Pod client;
  private List<Lab.Pod> gateways;
  private Daemon west;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("away");
    Lab.Node near = scene.lab().addNode();
    far = scene.lab().addNode();
    client = near.addPod("client");
    Lab.Pod here = near.addPod("here");
    Lab.Pod there = far.addPod("there");
    gateways =
        List.of(
            far.addPod("gateway-1", Lab.Without.REDIRECTION),
            far.addPod("gateway-2", Lab.Without.REDIRECTION));
    Cluster western = new Cluster(scene, "west", 1);
    Cluster eastern = new Cluster(scene, "east", 2);
    western.workload(western.pod(client));
    western.workload(western.pod(here).serving("mixed", PORTS).serving("near", PORTS));
    for (Lab.Pod gateway : gateways) {
      western.gateway(eastern, gateway);
    }
    String sans = "[\"%s\"]".formatted(Entry.identity(there));
    for (Map.Entry<String, InetAddress> service :
        Map.of("far", FAR, "mixed", MIXED, "near", NEAR).entrySet()) {
      String name = service.getKey();
      Entry entry = western.global(name, service.getValue().getHostAddress(), PORTS, sans);
      if (name.equals("near")) {
        entry.with(
            "loadBalancer",
            "{routingPreferences: [Network], mode: Failover, healthPolicy: OnlyHealthy}");
      }
      western.service(entry);
      western.share(eastern, name, PORTS, 2, eastern.entrance(gateways.getFirst()));
      eastern.service(name, service.getValue().getHostAddress(), PORTS);
    }
    eastern.workload(
        eastern.pod(there).serving("far", PORTS).serving("mixed", PORTS).serving("near", PORTS));
    scene.app(here, 8080, App.ECHO_TWICE);
    scene.app(there, 8080, App.ECHO_TWICE);

    Daemon _ = eastern.daemon(far, Map.of(), there);
    for (Lab.Pod gateway : gateways) {
      Daemon _ = eastern.gatewayDaemon(gateway, Map.of("GATEWAY_EXPORTS", "shop/*"));
    }
    west = western.daemon(near, Map.of("ZTUNNEL_CONNECT_TIMEOUT", "3s"), client, here);
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  private void calls(int count, InetAddress service) throws IOException {
    new QuickCalls(client).succeed(count, service);
  }

  private static String address(Lab.Pod gateway) {
    return gateway.ipv4().getHostAddress() + ":15008";
  }

  private double connections(Lab.Pod gateway) throws IOException {
    return Counters.sum(
        Counters.read(west),
        "ztunnel_remote_gateway_inner_connections_open",
        "gateway=\"" + address(gateway) + "\"");
  }

  private static boolean mixedGoesThrough(Lab.Pod gateway, Journal log) throws IOException {
    return !log.access(Entry.hostname("mixed"), "dst.addr=" + address(gateway)).isEmpty();
  }

  /** Calls that are open at the same time, and all are reset. */
  private void callsFail(int count) throws IOException {
    long begin = System.nanoTime();
    List<Socket> open = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      Socket socket = PodSockets.connect(client, FAR, 80);
      open.add(socket);
      socket.setSoTimeout(2 * (int) GIVEN_UP.toMillis());
      PodSockets.say(socket, "hi");
    }
    for (Socket socket : open) {
      try (socket) {
        assertThrows(SocketException.class, () -> PodSockets.hear(socket, 4));
      }
    }
    Duration took = Duration.ofNanos(System.nanoTime() - begin);
    assertTrue(took.compareTo(GIVEN_UP) < 0, () -> "took " + took);
  }

  private boolean succeeds() {
    try {
      calls(1, FAR);
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  @Test
  @Timeout(120)
  void callsGoWhereTheyCanOrFailInTimeAndAllIsWellAfterwards() throws Exception {
    Journal log = Journal.now(west);
    Await.until(
        "tunnels are kept through both gateways",
        () -> {
          calls(1, FAR);
          calls(1, MIXED);
          for (Lab.Pod gateway : gateways) {
            if (connections(gateway) < 2 || !mixedGoesThrough(gateway, log)) {
              return false;
            }
          }
          return true;
        });

    Journal meanwhile = Journal.of(west);
    try (Loss _ = Loss.of(far, "FORWARD", "-i", UPLINK);
        Loss _ = Loss.of(far, "FORWARD", "-o", UPLINK)) {
      calls(30, MIXED);
      calls(10, NEAR);
      callsFail(10);
      calls(30, MIXED);
      callsFail(10);
    }
    assertEquals(20, meanwhile.access("error=").size());

    Journal afterwards = Journal.now(west);
    Await.until("calls succeed", this::succeeds);
    for (Lab.Pod gateway : gateways) {
      meanwhile.awaitAny("gateway set aside", "address=" + address(gateway));
      meanwhile.awaitAny("gateway is used again", "address=" + address(gateway));
    }
    calls(20, FAR);
    Await.until(
        "calls go there again",
        () -> {
          calls(1, MIXED);
          return mixedGoesThrough(gateways.getFirst(), afterwards);
        });
  }
}
