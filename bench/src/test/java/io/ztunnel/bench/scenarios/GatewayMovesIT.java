package io.ztunnel.bench.scenarios;

import static io.ztunnel.xds.FakeControlPlane.ADDRESS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.LabControlPlane;
import io.ztunnel.bench.lab.ShortCalls;
import io.ztunnel.bench.lab.WireWorkload;
import io.ztunnel.redirection.Lab;
import io.ztunnel.xds.ControlPlanePki;
import io.ztunnel.xds.FakeControlPlane;
import java.io.IOException;
import java.net.InetAddress;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;

/**
 * Gateways that are daemons and come back at another address, of which the control plane tells the
 * client's daemon at once, or not before long. Each test has a network of its own, and one gateway
 * for itself.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GatewayMovesIT {
  private static final String PORTS = "80: 8080, 81: 8081";
  private static final List<String> SERVICES = List.of("followed", "alone", "beside");
  private static final Duration SOON = Duration.ofSeconds(15);

  /** Until a call has failed whose only gateway is gone: it is sought for three seconds. */
  private static final Duration GIVEN_UP = Duration.ofSeconds(8);

  private static final int CALLERS = 4;

  /** Enough to say that calls succeed. */
  private static final int SOME = 40;

  /** Where a gateway is first, and where it is started again. */
  private record Move(Lab.Pod before, Lab.Pod after) {}

  private Scene scene;
  private FakeControlPlane control;
  private Lab.Pod client;
  private Lab.Pod server;
  private Lab.Pod steady;
  private Lab.Pod moving;
  private Move alone;
  private Move beside;
  private Cluster eastern;
  private Daemon west;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("gwmoves");
    Lab.Node near = scene.lab().addNode();
    Lab.Node far = scene.lab().addNode();
    client = near.addPod("client");
    server = far.addPod("server");
    steady = gatewayPod(far, "steady");
    moving = gatewayPod(far, "moving");
    // Before the first of them goes: no other pod gets its address.
    alone = new Move(gatewayPod(far, "alone-1"), gatewayPod(far, "alone-2"));
    beside = new Move(gatewayPod(far, "beside-1"), gatewayPod(far, "beside-2"));
    LabControlPlane controlPlane =
        LabControlPlane.startForAll(scene.lab(), near, ControlPlanePki.create("lab control plane"));
    scene.closeLater(controlPlane);
    control = controlPlane.server();

    Cluster western = new Cluster(scene, "west", 1);
    western.workload(western.pod(client));
    eastern = new Cluster(scene, "east", 2);
    Entry backend = eastern.pod(server);
    for (String service : SERVICES) {
      String vip = vip(service).getHostAddress();
      western.service(
          western
              .entry(service, vip, PORTS)
              .with("subjectAltNames", "[\"%s\"]".formatted(Entry.identity(server))));
      eastern.service(service, vip, PORTS);
      backend.serving(service, PORTS);
    }
    eastern.workload(backend);
    scene.app(server, 8080, App.ECHO_TWICE);

    Daemon _ = eastern.daemon(far, Map.of(), server);
    Daemon _ = gateway(steady);
    Map<String, String> variables = new TreeMap<>(controlPlane.environment());
    variables.put("ZTUNNEL_CONNECT_TIMEOUT", "3s");
    west = western.daemon(near, variables, client);
  }

  private static Lab.Pod gatewayPod(Lab.Node far, String name) throws IOException {
    return far.addPod(name, Lab.Without.REDIRECTION);
  }

  private Daemon gateway(Lab.Pod pod) throws IOException {
    return eastern.gatewayDaemon(pod, Map.of("GATEWAY_EXPORTS", "shop/*"));
  }

  private static String network(String service) {
    return "net-" + service;
  }

  private static InetAddress vip(String service) {
    return InetAddress.ofLiteral("10.96.0." + (1 + SERVICES.indexOf(service)));
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  /** What a control plane tells of a gateway and of the pods behind it. */
  private static List<FakeControlPlane.Entry> told(String service, Lab.Pod gateway) {
    return List.of(
        WireWorkload.gateway(network(service), gateway.ipv4()).entry(),
        WireWorkload.behind(gateway.ipv4(), network(service), "east", service, 1)
            .serving(service, 80, 8080)
            .serving(service, 81, 8081)
            .entry());
  }

  /** In effect when this returns. */
  private void tell(String service, Lab.Pod gateway) {
    control.put(ADDRESS, told(service, gateway));
    control.awaitAnswers();
  }

  /** In effect when this returns. */
  private void tellOfMove(String service, Move move) {
    control.put(ADDRESS, told(service, move.after()));
    control.remove(
        ADDRESS, told(service, move.before()).stream().map(FakeControlPlane.Entry::name).toList());
    control.awaitAnswers();
  }

  /** The gateway's process ends without a word; when this returns, its address is gone, too. */
  private static void kill(Daemon gateway, Lab.Pod pod) throws IOException {
    gateway.signal("KILL");
    int _ = gateway.awaitExit(SOON);
    pod.delete();
  }

  private ShortCalls callsTo(String service) {
    long seed = System.nanoTime();
    System.out.println("seed " + seed);
    return new ShortCalls(client, vip(service), 81, CALLERS, seed);
  }

  private static void awaitSome(ShortCalls calls) throws IOException {
    int before = calls.done();
    Await.until("calls succeed", () -> calls.done() >= before + SOME);
  }

  private static void awaitCallsOn(Daemon gateway) throws IOException {
    Await.until(
        "it carries calls",
        () -> Counters.sum(Counters.read(gateway), "ztunnel_gateway_tunnels_open") > 0);
  }

  private static void assertNoneFailedBut(ShortCalls calls, long fromNanos, long toNanos) {
    assertEquals(
        List.of(),
        calls.failures().stream().filter(each -> !each.overlaps(fromNanos, toNanos)).toList());
    assertEquals(List.of(), calls.wrong());
  }

  @Test
  void aGatewayThatIsStartedAgainAtAnotherAddressIsFollowed() throws Exception {
    Daemon before = gateway(moving);
    tell("followed", moving);
    QuickCalls calls = new QuickCalls(client);
    calls.succeed(5, vip("followed"));

    tellOfMove("followed", new Move(moving, steady));
    before.signal("KILL");
    Journal log = Journal.of(west);
    calls.succeed(20, vip("followed"));
    String there = "dst.addr=" + steady.ipv4().getHostAddress() + ":15008";
    Await.equal(20, () -> log.access(there).size());
  }

  @Test
  @Timeout(120)
  void theOnlyGatewayThatIsBackAtAnotherAddressIsFoundAsSoonAsThatIsTold() throws Exception {
    Daemon victim = gateway(alone.before());
    tell("alone", alone.before());
    ShortCalls calls = callsTo("alone");
    try (App _ = App.start(server, 8081, calls::serve);
        calls) {
      calls.begin();
      awaitSome(calls);
      long killing = System.nanoTime();
      kill(victim, alone.before());
      Daemon _ = gateway(alone.after());
      int failed = calls.failures().size();
      Await.until("calls fail", () -> calls.failures().size() >= failed + CALLERS);
      tellOfMove("alone", alone);
      long told = System.nanoTime();
      awaitSome(calls);
      calls.close();
      assertNoneFailedBut(calls, killing, told);
      for (ShortCalls.Failure each : calls.failures()) {
        Duration took = Duration.ofNanos(each.endedNanos() - each.begunNanos());
        assertTrue(took.compareTo(GIVEN_UP) < 0, () -> "took " + took + ": " + each.what());
      }
    }
  }

  @Test
  @Timeout(120)
  void whileOneOfTwoGatewaysMovesToAnotherAddressTheOtherServes() throws Exception {
    Daemon victim = gateway(beside.before());
    tell("beside", steady);
    tell("beside", beside.before());
    ShortCalls calls = callsTo("beside");
    try (App _ = App.start(server, 8081, calls::serve);
        calls) {
      calls.begin();
      awaitCallsOn(victim);
      awaitSome(calls);
      long killing = System.nanoTime();
      kill(victim, beside.before());
      long killed = System.nanoTime();
      Daemon back = gateway(beside.after());
      awaitSome(calls);
      tellOfMove("beside", beside);
      awaitCallsOn(back);
      awaitSome(calls);
      calls.close();
      assertNoneFailedBut(calls, killing, killed);
      assertTrue(calls.failures().size() <= CALLERS, () -> "" + calls.failures());
    }
  }
}
