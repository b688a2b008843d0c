package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.channel.embedded.EmbeddedChannel;
import io.ztunnel.VirtualTime;
import io.ztunnel.mesh.NamespacedHostname;
import io.ztunnel.mesh.ServiceName;
import io.ztunnel.metrics.GatewayMetrics;
import io.ztunnel.metrics.MeshRegistry;
import io.ztunnel.routing.EndpointHealth;
import io.ztunnel.routing.EndpointLoads;
import io.ztunnel.telemetry.ConnectionFailure;
import io.ztunnel.telemetry.ConnectionFailure.Dial;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Which targets a connection through a gateway tries, and when, and whom it blames. */
class GatewayAttemptsTest {
  private static final Instant START = Instant.parse("2026-11-23T12:00:00Z");
  private static final ServiceName CART = new ServiceName("cart", "shop", "cart.shop.svc");
  private static final InetSocketAddress CLIENT = new InetSocketAddress("192.0.2.1", 40000);

  private final VirtualTime time = new VirtualTime(START);
  private final EndpointHealth health = new EndpointHealth(100, this::nanoTime);

  /** What was spent does not come back. */
  private final ServiceRetries retries = new ServiceRetries(() -> 0);

  private final EndpointLoads loads = new EndpointLoads();
  private final MeshRegistry registry = new MeshRegistry();
  private final GatewayMetrics metrics = new GatewayMetrics(registry, new NothingOpen());
  private final List<FakeDial> dials = new ArrayList<>();
  private final List<Call> calls = new ArrayList<>();

  /** The endpoints of the service, in the order in which equal ones are taken. */
  private List<String> endpoints = List.of();

  private long nanoTime() {
    return Duration.between(START, time.now()).toNanos();
  }

  @AfterEach
  void nothingStays() {
    calls.forEach(call -> call.attempts.end());
    assertFalse(time.hasTimers());
    assertEquals(0, loads.summary().getSum());
    registry.close();
  }

  /** A connection that has begun; by the gateway's rules, and the first of equals. */
  private final class Call implements GatewayAttempts.Owner {
    private final GatewayAttempts attempts =
        new GatewayAttempts(
            new GatewayAttempts.Means(
                time.loop(),
                GatewayAttemptsTest.this::nanoTime,
                health,
                retries,
                loads,
                metrics,
                FakeDial.into(dials)),
            CLIENT,
            Dial.HBONE,
            nanoTime(),
            this);
    private String outcome = "";

    Call() {
      calls.add(this);
      attempts.next();
    }

    @Override
    public @Nullable GatewayTarget choose(Set<String> tried) {
      if (endpoints.isEmpty()) {
        outcome = "nowhere to go";
        attempts.end();
        return null;
      }
      return endpoints.stream()
          .min(
              Comparator.comparing((String key) -> tried.contains(key))
                  .thenComparing(health::isSetAside)
                  .thenComparingInt(key -> loads.of(load(key))))
          .map(key -> target(key, Math.max(endpoints.size() - 1 - tried.size(), 0)))
          .orElseThrow();
    }

    @Override
    public void onConnected(GatewayTarget target, TcpLeg upstream) {
      outcome = target.key();
    }

    @Override
    public void onFailed(GatewayTarget target, ConnectionFailure cause) {
      outcome = target.key() + ": " + cause.message();
    }
  }

  private static EndpointLoads.Key load(String key) {
    return new EndpointLoads.Key(new NamespacedHostname("shop", "cart.shop.svc"), key);
  }

  private static GatewayTarget target(String key, int others) {
    return new GatewayTarget(key, address(key), null, load(key), CART, others);
  }

  /** Of the endpoint whose name ends with the last part of it. */
  private static InetSocketAddress address(String key) {
    return new InetSocketAddress(
        InetAddress.ofLiteral("10.0.0." + (key.charAt(0) - 'a' + 1)), 15008);
  }

  /** One dial that was begun. */
  private record FakeDial(
      InetSocketAddress target, UpstreamDial.Listener outcome, List<FakeDial> given) {
    static GatewayAttempts.Dialler into(List<FakeDial> dials) {
      return (target, outcome) -> {
        FakeDial dial = new FakeDial(target, outcome, new ArrayList<>());
        dials.add(dial);
        return () -> dial.given.add(dial);
      };
    }

    boolean isGivenUp() {
      return !given.isEmpty();
    }
  }

  private static final class NothingOpen implements GatewayMetrics.Open {
    @Override
    public int tunnels() {
      return 0;
    }

    @Override
    public int endpoints() {
      return 0;
    }

    @Override
    public int mostTunnels() {
      return 0;
    }

    @Override
    public int fewestTunnels() {
      return 0;
    }

    @Override
    public int sources() {
      return 0;
    }
  }

  private void pass(long millis) {
    time.pass(Duration.ofMillis(millis));
  }

  private Stream<FakeDial> to(String key) {
    return dials.stream().filter(dial -> dial.target.equals(address(key)));
  }

  private FakeDial last(String key) {
    return to(key).reduce((_, later) -> later).orElseThrow();
  }

  /** Whom was dialled, in order. */
  private List<InetSocketAddress> dialled() {
    return dials.stream().map(FakeDial::target).toList();
  }

  private static List<InetSocketAddress> addresses(String... keys) {
    return Stream.of(keys).map(GatewayAttemptsTest::address).toList();
  }

  private void accept(String key) {
    last(key).outcome.onConnected(new TcpLeg(new EmbeddedChannel()));
  }

  private void refuse(String key) {
    last(key).outcome.onDialFailed(new ConnectException("Connection refused"));
  }

  @Test
  void besideATargetThatDropsPacketsAnotherIsTriedAndTheFirstIsSetAside() {
    endpoints = List.of("a", "b");
    Call call = new Call();
    pass(499);
    assertEquals(addresses("a"), dialled());
    pass(1);
    assertEquals(addresses("a", "b"), dialled());
    accept("b");
    assertEquals("b", call.outcome);
    assertTrue(last("a").isGivenUp());
    assertTrue(health.isSetAside("a"));
    assertFalse(health.isSetAside("b"));
    assertEquals(0, loads.of(load("a")));
    assertEquals(1, loads.of(load("b")));

    Call next = new Call(); // the first has no connection, and is passed over
    accept("b");
    assertEquals("b", next.outcome);
    assertEquals(addresses("a", "b", "b"), dialled());
  }

  @Test
  void aTargetOnTrialThatStillDropsPacketsIsSetAsideForLonger() {
    endpoints = List.of("a", "b");
    Call _ = new Call();
    pass(500);
    accept("b");
    pass(1_000);
    assertFalse(health.isSetAside("a"));
    Call trial = new Call();
    assertTrue(health.isSetAside("a"), "for all others");
    pass(500);
    accept("b");
    assertEquals("b", trial.outcome);
    pass(1_999);
    assertTrue(health.isSetAside("a"));
    pass(1);
    assertFalse(health.isSetAside("a"));
  }

  @Test
  void aTargetThatIsSlowAndAcceptsFirstIsTaken() {
    endpoints = List.of("a", "b");
    Call call = new Call();
    pass(1_900);
    accept("a");
    assertEquals("a", call.outcome);
    assertTrue(last("b").isGivenUp());
    assertFalse(health.isSetAside("a"));
    assertFalse(health.isSetAside("b"));
    assertEquals(0, loads.of(load("b")));
  }

  @Test
  void ofSeveralThatDropPacketsEachHasTwoSecondsAndTheLastOneTheConnectTimeout() {
    endpoints = List.of("a", "b", "c");
    Call call = new Call();
    pass(1_000);
    assertEquals(addresses("a", "b", "c"), dialled());
    pass(999);
    assertFalse(last("a").isGivenUp());
    pass(1);
    assertTrue(last("a").isGivenUp());
    assertTrue(health.isSetAside("a"));
    assertFalse(last("b").isGivenUp());
    pass(500);
    assertTrue(last("b").isGivenUp());
    pass(5_000);
    assertFalse(last("c").isGivenUp());
    assertEquals("", call.outcome);
    refuse("c");
    assertTrue(call.outcome.startsWith("c: "), call.outcome);
    assertEquals(addresses("a", "b", "c"), dialled());
  }

  @Test
  void whenTheClientLeavesThoseThatWereWaitedForForLongAreSetAside() {
    endpoints = List.of("a", "b", "c", "d", "e");
    Call call = new Call();
    pass(1_800); // of its two seconds, as it had to reach us
    assertEquals(addresses("a", "b", "c", "d"), dialled());
    call.attempts.end();
    assertTrue(health.isSetAside("a"));
    assertTrue(health.isSetAside("b"));
    assertFalse(health.isSetAside("c"));
    assertFalse(health.isSetAside("d"));
    assertTrue(dials.stream().allMatch(FakeDial::isGivenUp));
  }

  @Test
  void theOnlyTargetIsSetAsideToo() {
    endpoints = List.of("a");
    Call hasty = new Call();
    pass(999);
    hasty.attempts.end();
    assertFalse(health.isSetAside("a"));
    Call patient = new Call();
    pass(1_000);
    patient.attempts.end();
    assertTrue(health.isSetAside("a"));
  }

  @Test
  void anEndOfAConnectionThatStandsBlamesNobody() {
    endpoints = List.of("a", "b");
    Call call = new Call();
    accept("a");
    pass(5_000);
    call.attempts.end();
    assertFalse(health.isSetAside("a"));
    assertFalse(last("a").isGivenUp());
  }

  @Test
  void aTargetThatRefusesIsReplacedAtOnce() {
    endpoints = List.of("a", "b", "c");
    Call call = new Call();
    refuse("a");
    assertTrue(health.isSetAside("a"));
    pass(500);
    assertEquals(addresses("a", "b", "c"), dialled());
    refuse("b"); // and the one that was begun after it goes on
    accept("c");
    assertEquals("c", call.outcome);
    assertEquals(3, dials.size());
  }

  @Test
  void theOneThatIsLeftIsWaitedForWhenTheOthersRefuse() {
    endpoints = List.of("a", "b");
    Call call = new Call();
    pass(500);
    refuse("b");
    assertEquals("", call.outcome);
    accept("a");
    assertEquals("a", call.outcome);
    assertTrue(health.isSetAside("b"));
  }

  @Test
  void withoutBudgetNothingElseIsTried() {
    endpoints = List.of("a", "b");
    Call call = new Call();
    while (retries.of(CART).tryRetry()) {}
    pass(1_999);
    assertEquals("", call.outcome);
    pass(1);
    assertEquals(addresses("a"), dialled());
    assertTrue(call.outcome.startsWith("a: "), call.outcome);
    assertTrue(call.outcome.endsWith("connection timed out after 2000 ms"), call.outcome);
    assertTrue(last("a").isGivenUp());
  }

  @Test
  void noTargetIsDialledTwiceAtATime() {
    endpoints = List.of("a", "b");
    Call call = new Call();
    endpoints = List.of("a");
    pass(500);
    assertEquals(addresses("a"), dialled());
    accept("a");
    assertEquals("a", call.outcome);
    assertFalse(health.isSetAside("a"));
  }

  @Test
  void aServiceThatIsWithdrawnEndsWhatIsUnderWay() {
    endpoints = List.of("a", "b");
    Call call = new Call();
    endpoints = List.of();
    pass(500);
    assertEquals("nowhere to go", call.outcome);
    assertTrue(last("a").isGivenUp());
  }
}
