package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.util.NetUtil;
import io.ztunnel.hbone.HboneFailure;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.TestMesh;
import io.ztunnel.metrics.MeshRegistry;
import io.ztunnel.metrics.RemoteGatewayMetrics;
import io.ztunnel.routing.EndpointHealth;
import io.ztunnel.routing.Hop;
import io.ztunnel.routing.PodHealth;
import java.net.InetAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** When gateways are set aside, probed, and used again; on a clock of the test's. */
class RemoteGatewaysTest {
  private static final HboneFailure DEAD = new HboneFailure.Http2Failed("dead");
  private static final String AT_AN_ADDRESS =
      "workloads: [{uid: gw, name: gw, namespace: ns, network: n, services: {}, workloadIps: [192.0.2.1]%s}]";
  private static final String BY_NAME =
      "workloads: [{uid: gw, name: gw, namespace: ns, network: n, services: {}, workloadIps: [], hostname: gw.example}]";

  private final EmbeddedChannel loop = new EmbeddedChannel();
  private final MeshRegistry registry = new MeshRegistry();
  private final List<Consumer<@Nullable HboneFailure>> probes = new ArrayList<>();
  private final EndpointHealth ofAll =
      new EndpointHealth(10, () -> loop.eventLoop().ticker().nanoTime());
  private final PodHealth health = ofAll.of("pod");
  private final PodHealth neighbour = ofAll.of("neighbour");
  private MeshView mesh = TestMesh.view(AT_AN_ADDRESS.formatted(""));
  private final RemoteGateways gateways =
      new RemoteGateways(
          new RemoteGatewayMetrics(registry, () -> 0, NetUtil::toSocketAddressString),
          () -> mesh,
          () -> new Random(1));

  /** By this it is dialled in another way. */
  private @Nullable MeshView outdatedBy;

  /** What the name of the gateway stands for; null: nobody tells. */
  private @Nullable List<InetAddress> resolved;

  @BeforeEach
  void freeze() {
    loop.freezeTime();
  }

  @AfterEach
  void close() {
    boolean _ = loop.finishAndReleaseAll();
    registry.close();
  }

  private Hop hop(String... keys) {
    return new Hop(
        TestMesh.workload(mesh, "gw"),
        TestMesh.socket("192.0.2.1:15008"),
        List.of(),
        1,
        List.of(keys),
        "");
  }

  /** At one of the addresses of its name. */
  private Hop hopAt(String ip, String... more) {
    List<String> keys = new ArrayList<>(List.of("gw#" + ip));
    keys.addAll(List.of(more));
    return new Hop(
        TestMesh.workload(mesh, "gw"), TestMesh.socket(ip + ":15008"), List.of(), 1, keys, "");
  }

  private void fail(Hop hop) {
    gateways.failed(
        health,
        hop,
        "dead",
        loop.eventLoop(),
        new RemoteGateways.Probe() {
          @Override
          public boolean isOutdated(MeshView view) {
            return view.equals(outdatedBy);
          }

          @Override
          public void resolve(Runnable then) {
            if (resolved != null) {
              gateways.onResolved(health, hop.workload(), resolved);
            }
            then.run();
          }

          @Override
          public void begin(Consumer<@Nullable HboneFailure> outcome) {
            probes.add(outcome);
          }
        });
  }

  private void pass(long millis) {
    loop.advanceTimeBy(millis, TimeUnit.MILLISECONDS);
    loop.runPendingTasks();
    loop.runScheduledPendingTasks();
  }

  /** Passes time until the next probe; returns how long that took. */
  private long nextProbe() {
    int before = probes.size();
    for (long waited = 0; waited < 60_000; waited += 10) {
      if (probes.size() > before) {
        return waited;
      }
      pass(10);
    }
    throw new AssertionError("no probe within a minute");
  }

  @Test
  void aCallToAnAddressByItselfIsNoneOfAGateways() {
    fail(hop("gw"));
    gateways.succeeded(health, hop());
    assertTrue(health.isSetAside("gw"));
  }

  @Test
  void aGatewayIsSetAsideUntilAProbeFindsItWell() {
    fail(hop("gw"));
    assertTrue(health.isSetAside("gw"));
    long pause = nextProbe();
    assertTrue(pause >= 400 && pause <= 610, () -> "after " + pause);
    assertTrue(health.isSetAside("gw"), "while it is probed");
    probes.getLast().accept(null);
    assertFalse(health.isSetAside("gw"));
    assertEquals(0, gateways.probed());
    pass(60_000);
    assertEquals(1, probes.size(), "no more probes");
  }

  @Test
  void probesBecomeRarerAndHaveAnEnd() {
    fail(hop("gw"));
    long expected = 500;
    for (int i = 0; i < 40; i++) {
      long pause = nextProbe();
      long most = expected;
      assertTrue(
          pause >= most * 8 / 10 && pause <= most * 12 / 10 + 10, () -> pause + " of " + most);
      assertTrue(health.isSetAside("gw"));
      probes.getLast().accept(DEAD);
      expected = Math.min(2 * expected, 30_000);
    }
    assertEquals(0, gateways.probed());
    assertFalse(health.isSetAside("gw"), "left to connections");
    pass(120_000);
    assertEquals(40, probes.size());
  }

  @Test
  void howeverManyConnectionsFailItIsProbedOnce() {
    for (int i = 0; i < 100; i++) {
      fail(hop("gw"));
    }
    assertEquals(1, gateways.probed());
    pass(1_000);
    assertEquals(1, probes.size());
  }

  @Test
  void whatOnePodCannotReachAnotherTriesAfterASecond() {
    fail(hop("gw"));
    assertTrue(neighbour.isSetAside("gw"), "it is warned");
    pass(1_000);
    assertFalse(neighbour.isSetAside("gw"));
    neighbour.attempted("gw");
    neighbour.succeeded("gw");
    gateways.succeeded(neighbour, hop("gw"));
    assertTrue(health.isSetAside("gw"), "that says nothing of this one");
    assertEquals(1, gateways.probed());
    health.attempted("gw");
    fail(hop("gw"));
    assertFalse(neighbour.isSetAside("gw"), "it is warned once");
  }

  @Test
  void whatAPodTriesInVainForItselfIsNoTrialForOthers() {
    fail(hop("gw"));
    pass(1_000);
    health.attempted("gw");
    assertFalse(neighbour.isSetAside("gw"));
  }

  @Test
  void aConnectionThatMakesItEndsTheProbes() {
    fail(hop("gw"));
    gateways.succeeded(health, hop("gw"));
    assertFalse(health.isSetAside("gw"));
    pass(60_000);
    assertEquals(List.of(), probes);
  }

  @Test
  void whenThePoolOfTheProbesGoesTheNextConnectionTries() {
    fail(hop("gw"));
    nextProbe();
    probes.getLast().accept(new HboneFailure.PoolClosed());
    assertFalse(health.isSetAside("gw"));
    fail(hop("gw"));
    assertTrue(health.isSetAside("gw"));
    nextProbe();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "workloads: [{uid: gw, name: gw, namespace: ns, network: n, services: {}, workloadIps: [192.0.2.1], serviceAccount: other}]",
        "workloads: [{uid: gw, name: gw, namespace: ns, network: n, services: {}, workloadIps: [192.0.2.9]}]",
        BY_NAME,
        "workloads: []"
      })
  void oneThatTheMeshTellsOfOtherwiseIsUsedAgain(String changed) {
    fail(hop("gw"));
    nextProbe();
    probes.getLast().accept(DEAD);
    mesh = TestMesh.view(changed);
    pass(2_000);
    assertFalse(health.isSetAside("gw"));
    assertEquals(0, gateways.probed());
    assertEquals(1, probes.size());
  }

  /** At another port, or as somebody else by what the service says whose endpoint it is. */
  @Test
  void oneThatIsToBeDialledInAnotherWayIsUsedAgain() {
    fail(hop("gw"));
    nextProbe();
    probes.getLast().accept(DEAD);
    mesh = TestMesh.view(AT_AN_ADDRESS.formatted(", capacity: 7"));
    outdatedBy = mesh;
    pass(2_000);
    assertFalse(health.isSetAside("gw"));
    assertEquals(0, gateways.probed());
    assertEquals(1, probes.size());
  }

  @Test
  void whatDoesNotMatterForReachingItDoesNotBringItBack() {
    fail(hop("gw"));
    mesh = TestMesh.view(AT_AN_ADDRESS.formatted(", capacity: 7"));
    nextProbe();
    assertTrue(health.isSetAside("gw"));
  }

  @Test
  void anAddressThatTheNameHasNoLongerIsForgotten() {
    mesh = TestMesh.view(BY_NAME);
    resolved = List.of(TestMesh.ip("192.0.2.1"));
    fail(hopAt("192.0.2.1", "gw"));
    nextProbe();
    probes.getLast().accept(DEAD);
    assertTrue(health.isSetAside("gw"));
    resolved = List.of(TestMesh.ip("192.0.2.2"));
    pass(2_000);
    assertFalse(health.isSetAside("gw#192.0.2.1"));
    assertFalse(health.isSetAside("gw"));
    assertEquals(1, probes.size());
  }

  @Test
  void aFurtherAddressOfTheNameBringsTheNameBack() {
    mesh = TestMesh.view(BY_NAME);
    fail(hopAt("192.0.2.1", "gw"));
    resolved = List.of(TestMesh.ip("192.0.2.1"), TestMesh.ip("192.0.2.2"));
    nextProbe();
    assertTrue(health.isSetAside("gw#192.0.2.1"));
    assertFalse(health.isSetAside("gw"));
  }

  @Test
  void ofANameEachAddressIsProbedAndAnyThatIsWellBringsTheNameBack() {
    mesh = TestMesh.view(BY_NAME);
    fail(hopAt("192.0.2.1"));
    assertFalse(health.isSetAside("gw"), "there are others");
    fail(hopAt("192.0.2.2", "gw"));
    assertTrue(health.isSetAside("gw"));
    assertEquals(2, gateways.probed());
    nextProbe();
    probes.getFirst().accept(null);
    assertFalse(health.isSetAside("gw#192.0.2.1"));
    assertFalse(health.isSetAside("gw"));
    assertTrue(health.isSetAside("gw#192.0.2.2"));
  }
}
