package io.ztunnel.bench.scenarios;

import static io.ztunnel.xds.FakeControlPlane.ADDRESS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.LabControlPlane;
import io.ztunnel.bench.lab.LiveObjects;
import io.ztunnel.bench.lab.Pause;
import io.ztunnel.bench.lab.ShortCalls;
import io.ztunnel.bench.lab.Vitals;
import io.ztunnel.bench.lab.WireWorkload;
import io.ztunnel.redirection.Lab;
import io.ztunnel.xds.ControlPlanePki;
import io.ztunnel.xds.FakeControlPlane;
import java.io.IOException;
import java.net.InetAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;

/**
 * Many short connections to a service of another network, while one of its two gateways is told to
 * end and started again, over and over, and backends come and go.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GatewayChurnIT {
  private static final String SERVICE = "churned";
  private static final InetAddress VIP = InetAddress.ofLiteral("10.96.0.1");
  private static final String PORTS = "80: 8080";
  private static final String NETWORK = "net-east";
  private static final Duration SOON = Duration.ofSeconds(30);
  private static final Duration BETWEEN_BACKENDS = Duration.ofMillis(150);
  private static final Duration WARM_UP = Duration.ofSeconds(2);
  private static final int CLIENTS = 16;
  private static final int DRAINS = 1;
  private static final Duration CHURN = Duration.ofSeconds(6);
  private static final Duration AFTERWARDS = Duration.ofMillis(500);

  private Scene scene;
  private FakeControlPlane control;

  /** Of gateways. */
  private Map<String, String> environment;

  private Lab.Pod steadyPod;
  private Lab.Pod churnedPod;
  private List<Lab.Pod> backends;
  private Cluster eastern;
  private Daemon west;
  private Daemon east;
  private Daemon steady;
  private ShortCalls calls;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("gwchurn");
    Lab.Node near = scene.lab().addNode();
    Lab.Node far = scene.lab().addNode();
    Lab.Pod client = near.addPod("client");
    backends = List.of(far.addPod("stays"), far.addPod("comes"), far.addPod("goes"));
    steadyPod = far.addPod("steady", Lab.Without.REDIRECTION);
    churnedPod = far.addPod("churned", Lab.Without.REDIRECTION);
    LabControlPlane controlPlane =
        LabControlPlane.startForAll(scene.lab(), far, ControlPlanePki.create("lab control plane"));
    scene.closeLater(controlPlane);
    control = controlPlane.server();
    for (Lab.Pod backend : backends) {
      tell(backend, true);
    }
    Map<String, String> strict =
        Map.of(
            "POOL_UNUSED_RELEASE_TIMEOUT", "500ms",
            "JDK_JAVA_OPTIONS", "-Dio.netty.leakDetection.level=paranoid");

    Cluster western = new Cluster(scene, "west", 1);
    western.workload(western.pod(client));
    eastern = new Cluster(scene, "east", 2);
    eastern.service(SERVICE, "10.97.0.1", PORTS);
    String identities =
        backends.stream()
            .map(backend -> '"' + Entry.identity(backend) + '"')
            .collect(Collectors.joining(", ", "[", "]"));
    western.gateway(eastern, steadyPod);
    western.gateway(eastern, churnedPod);
    western.remote(eastern, SERVICE, VIP.getHostAddress(), PORTS, identities, churnedPod);

    long seed = System.nanoTime();
    System.out.println("seed " + seed);
    calls = new ShortCalls(client, VIP, 80, CLIENTS, seed);
    for (Lab.Pod backend : backends) {
      scene.app(backend, 8080, calls::serve);
    }
    Map<String, String> restless = new TreeMap<>(strict);
    restless.put("ZTUNNEL_INNER_REFRESH", "300ms"); // a gateway that is back gets its share soon
    west = western.daemon(near, restless, client);
    Map<String, String> told = new TreeMap<>(strict);
    told.putAll(controlPlane.environment());
    east = eastern.daemon(far, told, backends.toArray(Lab.Pod[]::new));
    told.put("GATEWAY_EXPORTS", "shop/*");
    told.put("CONNECTION_TERMINATION_DEADLINE", "60s");
    told.put("ZTUNNEL_HANDOVER_WAIT", "200ms");
    environment = told;
    steady = eastern.gatewayDaemon(steadyPod, environment);
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  /** Has the east know a backend, as one of the service or not. */
  private void tell(Lab.Pod backend, boolean serves) {
    WireWorkload workload = WireWorkload.of(backend).in(NETWORK, "east");
    control.put(ADDRESS, (serves ? workload.serving(SERVICE, 80, 8080) : workload).entry());
  }

  private Daemon churned() throws IOException {
    return eastern.gatewayDaemon(churnedPod, environment);
  }

  private static void awaitCalls(Daemon gateway) throws IOException {
    Await.until(
        "it carries calls",
        () -> Counters.sum(Counters.read(gateway), "ztunnel_gateway_tunnels_open") > 3);
  }

  private void callFor(Duration time) throws IOException {
    calls.begin();
    Pause.of(time);
    calls.close();
  }

  /** Backends that come and go, one change after the other, until the thread is interrupted. */
  private void changeBackends() {
    try {
      for (int i = 0; ; i++) {
        tell(backends.get(1 + i % 2), i % 4 > 1);
        Pause.of(BETWEEN_BACKENDS);
      }
    } catch (IOException e) {
      // The end of it.
    }
  }

  /** Each failure at another time, and what the daemon of the clients has logged about it. */
  private List<String> toldOutside(long fromNanos, long toNanos, List<ShortCalls.Failure> failures)
      throws IOException {
    List<String> told = new ArrayList<>();
    for (ShortCalls.Failure each : failures) {
      if (!each.overlaps(fromNanos, toNanos)) {
        told.add(each.what());
        west.logLines().stream()
            .filter(line -> line.contains("src.addr=" + each.caller() + ' '))
            .forEach(told::add);
      }
    }
    return told;
  }

  private static void assertNothingAlarming(Daemon daemon) throws IOException {
    assertEquals(List.of(), daemon.alarmingLines(), daemon::name);
  }

  /** What a daemon without a connection holds. */
  private record AtRest(Daemon daemon, Vitals vitals) {
    static AtRest awaitOf(Daemon daemon) throws Exception {
      LiveObjects _ = LiveObjects.of(daemon); // now, too: the first time opens a socket
      return new AtRest(daemon, Vitals.awaitIdle(daemon, SOON));
    }

    /** Waits until nothing is open, and there is no more of anything than then. */
    void awaitAgain() throws IOException {
      Await.equal(
          false, () -> daemon.configDump().contains("\"actualDst\"")); // a connection of a pod
      Await.equal(Map.of(), this::left);
    }

    private Map<String, String> left() throws IOException {
      Map<String, String> left = new TreeMap<>();
      Vitals.of(daemon)
          .grownSince(vitals)
          .forEach((what, grown) -> left.put(daemon.name() + ": " + what, grown));
      left.keySet().removeIf(what -> what.contains(": thread ")); // those of gRPC come and go
      return left;
    }
  }

  @Test
  @Timeout(180)
  void nothingIsLostAndNothingIsLeft() throws Exception {
    Daemon gateway = churned();
    callFor(WARM_UP);
    List<AtRest> lasting =
        List.of(AtRest.awaitOf(west), AtRest.awaitOf(steady), AtRest.awaitOf(east));

    calls.begin();
    Thread changes = Thread.ofPlatform().daemon().start(this::changeBackends);
    int drained = 0;
    long end = System.nanoTime() + CHURN.toNanos();
    do {
      awaitCalls(gateway);
      gateway.signal("TERM");
      assertEquals(0, gateway.awaitExit(SOON));
      assertNothingAlarming(gateway);
      drained++;
      gateway = churned();
    } while (drained < DRAINS || System.nanoTime() < end);
    awaitCalls(gateway);
    long killing = System.nanoTime();
    gateway.signal("KILL");
    int _ = gateway.awaitExit(SOON);
    long killed = System.nanoTime();
    gateway = churned();
    changes.interrupt();
    changes.join();
    calls.close();
    Await.equal(0L, calls::notYetDone);
    System.out.printf(
        "%d calls, %d failed; %d drains%n", calls.begun(), calls.failures().size(), drained);

    assertEquals(List.of(), calls.wrong());
    // Who sends and leaves without waiting for an answer does not hear that it was lost.
    assertEquals(List.of(), toldOutside(killing, killed, calls.lostAtServers()));
    assertEquals(List.of(), toldOutside(killing, killed, calls.failures()));
    assertTrue(calls.failures().size() <= CLIENTS, () -> "" + calls.failures());
    assertTrue(calls.done() > 300, () -> "only " + calls.done() + " calls");

    for (AtRest each : lasting) {
      LiveObjects _ = LiveObjects.of(each.daemon()); // lost buffers show at the next allocation
    }
    callFor(AFTERWARDS);
    for (AtRest each : lasting) {
      each.awaitAgain();
      assertNothingAlarming(each.daemon());
    }
    AtRest.awaitOf(gateway).awaitAgain();
    assertNothingAlarming(gateway);
  }
}
