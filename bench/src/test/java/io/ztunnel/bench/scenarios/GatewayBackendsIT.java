package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Application;
import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
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
 * A service of another network with two pods behind its gateway, each on a node of its own, of
 * which one fails in one way after the other. All on the way are daemons.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GatewayBackendsIT {
  private static final InetAddress VIP = InetAddress.ofLiteral("10.96.0.1");
  private static final String PORTS = "80: 8080";

  /** What the pods are named, and say first. */
  private static final String WELL = "well";

  private static final String SICK = "sick";

  private static final int OPEN = 40;
  private static final int CALLS = 12;

  /** What a new call may take, found out or not. */
  private static final Duration PATIENCE = Duration.ofSeconds(5);

  /** What an open connection may take for an answer. */
  private static final Duration UNDISTURBED = Duration.ofSeconds(2);

  private Scene scene;
  private Lab.Pod client;
  private Lab.Pod sick;
  private Daemon sickDaemon;
  private App sickApp;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("gwbackends");
    Lab.Node near = scene.lab().addNode();
    Lab.Node wellNode = scene.lab().addNode();
    Lab.Node sickNode = scene.lab().addNode();
    client = near.addPod("client");
    Lab.Pod well = wellNode.addPod(WELL);
    sick = sickNode.addPod(SICK);
    Lab.Pod gateway = wellNode.addPod("gateway", Lab.Without.REDIRECTION);
    Cluster western = new Cluster(scene, "west", 1);
    Cluster eastern = new Cluster(scene, "east", 2);
    western.workload(western.pod(client));
    western.gateway(eastern, gateway);
    western.remote(
        eastern,
        "pair",
        VIP.getHostAddress(),
        PORTS,
        "[\"%s\", \"%s\"]".formatted(Entry.identity(well), Entry.identity(sick)),
        gateway);
    eastern.workload(eastern.pod(well).serving("pair", PORTS));
    eastern.workload(eastern.pod(sick).serving("pair", PORTS));
    eastern.service("pair", "10.97.0.1", PORTS);
    scene.app(well, 8080, telling(WELL));
    startSickApp();
    Daemon _ = eastern.daemon(wellNode, Map.of(), well);
    sickDaemon = eastern.daemon(sickNode, Map.of(), sick);
    Daemon _ = eastern.gatewayDaemon(gateway, Map.of("GATEWAY_EXPORTS", "shop/*"));
    Daemon _ = western.daemon(near, Map.of(), client);
  }

  private void startSickApp() throws IOException {
    sickApp = scene.app(sick, 8080, telling(SICK));
  }

  private static Application.Service telling(String name) {
    return connection -> {
      PodSockets.say(connection, name);
      App.ECHO_TWICE.serve(connection);
    };
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  /** Connects within the time that a call may take; who has answered is told. */
  private Reached reach() throws IOException {
    long begin = System.nanoTime();
    Socket socket = PodSockets.connect(client, VIP, 80);
    String name = PodSockets.hear(socket, 4);
    exchange(socket);
    assertWithin(PATIENCE, begin);
    return new Reached(socket, name);
  }

  /** An open connection to one of the two. */
  private record Reached(Socket socket, String name) {}

  private static void exchange(Socket socket) throws IOException {
    PodSockets.say(socket, "ab");
    assertEquals("abab", PodSockets.hear(socket, 4));
  }

  private static void assertWithin(Duration limit, long begin) {
    Duration took = Duration.ofNanos(System.nanoTime() - begin);
    assertTrue(took.compareTo(limit) < 0, () -> "took " + took);
  }

  /** Calls once and says who has answered. */
  private String call() throws IOException {
    Reached reached = reach();
    reached.socket().close();
    return reached.name();
  }

  /** New calls come to the pod that is well, and what is open to it goes on all the while. */
  private void callsAreServedBeside(List<Socket> open) throws IOException {
    for (int i = 0; i < CALLS; i++) {
      assertEquals(WELL, call());
      long begin = System.nanoTime();
      for (Socket each : open) {
        exchange(each);
      }
      assertWithin(UNDISTURBED, begin);
    }
  }

  private void awaitSickIsUsed() throws IOException {
    Await.until("it is used", () -> call().equals(SICK));
  }

  @Test
  @Timeout(120)
  void ofTwoPodsBehindAGatewayOneMayFailInAnyWay() throws Exception {
    List<Socket> toSick = new ArrayList<>();
    List<Socket> open = new ArrayList<>();
    for (int i = 0; i < OPEN; i++) {
      Reached reached = reach();
      (reached.name().equals(WELL) ? open : toSick).add(reached.socket());
    }
    assertTrue(!open.isEmpty() && !toSick.isEmpty(), "they share the connections");
    sickApp.close();
    callsAreServedBeside(open);
    startSickApp();
    awaitSickIsUsed();

    sick.dropPort(15008);
    callsAreServedBeside(open);
    sick.acceptPort(15008);
    awaitSickIsUsed();

    sickDaemon.signal("STOP");
    Await.until(
        "it stands still",
        () ->
            Files.readString(Path.of("/proc", String.valueOf(sickDaemon.pid()), "stat"))
                .contains(") T "));
    callsAreServedBeside(open);
    sickDaemon.signal("CONT");
    awaitSickIsUsed();

    sickDaemon.signal("KILL");
    int _ = sickDaemon.awaitExit(PATIENCE);
    callsAreServedBeside(open);
    for (Socket each : toSick) {
      each.close();
    }
    for (Socket each : open) {
      each.close();
    }
  }
}
