package io.ztunnel.routing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

final class EndpointHealthTest {
  private long now = -5; // clocks may start anywhere

  private final EndpointHealth health = new EndpointHealth(3, () -> now);

  @Test
  void aFailureSetsAsideForASecondAndEachFurtherOneForTwiceAsLong() {
    for (int seconds : new int[] {1, 2, 4, 8, 16, 30, 30, 30}) {
      health.failed("a");
      pass(Duration.ofSeconds(seconds).minusNanos(1));
      assertTrue(health.isSetAside("a"), seconds + " s");
      pass(Duration.ofNanos(1));
      assertFalse(health.isSetAside("a"), seconds + " s");
    }
  }

  @Test
  void failuresOfConnectionsUnderWayCountOnce() {
    health.failed("a");
    pass(Duration.ofMillis(500));
    health.failed("a");
    pass(Duration.ofMillis(500));
    assertFalse(health.isSetAside("a"));
  }

  @Test
  void afterItsTimeOneConnectionTriesAndTheOthersWait() {
    health.failed("a");
    pass(Duration.ofSeconds(1));
    health.attempted("a");
    assertTrue(health.isSetAside("a"), "for all but the one that tries");
    pass(Duration.ofSeconds(2));
    assertFalse(health.isSetAside("a"), "it was given up without an outcome: the next may try");
    health.attempted("a");
    health.failed("a");
    pass(Duration.ofSeconds(2).minusNanos(1));
    assertTrue(health.isSetAside("a"), "a trial that fails makes it longer");
    pass(Duration.ofNanos(1));
    health.attempted("a");
    health.succeeded("a");
    assertFalse(health.isSetAside("a"));
  }

  @Test
  void anAttemptWithoutAFailureBeforeChangesNothing() {
    health.attempted("a");
    assertFalse(health.isSetAside("a"));
    assertEquals(0, health.size());
  }

  @Test
  void aSuccessEndsIt() {
    health.failed("a");
    pass(Duration.ofSeconds(1));
    health.failed("a");
    health.succeeded("a");
    assertFalse(health.isSetAside("a"));
    health.failed("a");
    pass(Duration.ofSeconds(1));
    assertFalse(health.isSetAside("a"), "the next is the first again");
  }

  @Test
  void aLongTimeWithoutFailureEndsItToo() {
    health.failed("a");
    pass(Duration.ofSeconds(1));
    health.failed("a");
    pass(Duration.ofSeconds(60));
    health.failed("a");
    pass(Duration.ofSeconds(1));
    assertFalse(health.isSetAside("a"));
  }

  @Test
  void othersAreNotTouched() {
    health.failed("a");
    assertFalse(health.isSetAside("b"));
    health.succeeded("b");
    assertTrue(health.isSetAside("a"));
  }

  @Test
  void remembersSoManyAndNoMore() {
    health.failed("a");
    health.failed("b");
    health.failed("c");
    health.failed("d");
    assertEquals(3, health.size());
    assertFalse(health.isSetAside("d"));
    assertTrue(health.isSetAside("a"));
    pass(Duration.ofSeconds(1));
    health.failed("a");
    assertTrue(health.isSetAside("a"), "one that is remembered still counts");
    pass(Duration.ofSeconds(60));
    health.failed("d");
    assertEquals(1, health.size(), "what is over makes room");
    assertTrue(health.isSetAside("d"));
  }

  private void pass(Duration time) {
    now += time.toNanos();
  }

  @Test
  void oneThatIsHeldWaitsForASuccessAndNotForItsTime() {
    health.failed("a");
    pass(Duration.ofMillis(500));
    health.hold("a", Duration.ofMinutes(1));
    pass(Duration.ofSeconds(40));
    health.attempted("a");
    health.failed("a");
    assertTrue(health.isSetAside("a"));
    assertEquals(Optional.of(Duration.ofMillis(40_500)), health.setAsideFor("a"));
    pass(Duration.ofSeconds(20));
    assertFalse(health.isSetAside("a"), "nobody has looked after it");
    assertEquals(Optional.empty(), health.setAsideFor("a"));
    health.hold("a", Duration.ofMinutes(1));
    health.succeeded("a");
    assertFalse(health.isSetAside("a"));
  }

  private List<String> usable(PodHealth pod, String... keys) {
    return Stream.of(keys).filter(key -> !pod.isSetAside(key)).toList();
  }

  /** Such as one whose network does not let it out, or whose certificate peers refuse. */
  @Test
  void whatOnlyOnePodCannotReachTheOthersGoOnUsing() {
    EndpointHealth all = new EndpointHealth(100, () -> now);
    PodHealth lame = all.of("a");
    PodHealth well = all.of("b");
    String[] endpoints = {"e1", "e2", "e3", "e4"};
    for (String endpoint : endpoints) {
      lame.failed(endpoint);
    }
    assertEquals(List.of(), usable(well, endpoints), "all are warned");
    well.attempted("e2");
    well.succeeded("e2");
    assertEquals(List.of("e2"), usable(well, endpoints));
    assertEquals(List.of(), usable(lame, endpoints), "that says nothing of this pod");
    pass(Duration.ofSeconds(1));
    for (int second = 1; second < 90; second++) {
      assertEquals(List.of(endpoints), usable(well, endpoints), "after " + second + " s");
      for (String endpoint : usable(lame, endpoints)) {
        lame.attempted(endpoint);
        assertFalse(well.isSetAside(endpoint), "it tries for nobody else");
        lame.failed(endpoint);
      }
      pass(Duration.ofSeconds(1));
    }
  }

  @Test
  void whatNoPodCanReachEachFindsOutOnceAndTheOthersWaitLongerEachTime() {
    EndpointHealth all = new EndpointHealth(100, () -> now);
    PodHealth third = all.of("c");
    all.of("a").failed("dead");
    pass(Duration.ofSeconds(1));
    all.of("b").attempted("dead");
    assertTrue(third.isSetAside("dead"), "one pod tries for all that have not");
    all.of("b").failed("dead");
    pass(Duration.ofSeconds(2).minusNanos(1));
    assertTrue(third.isSetAside("dead"), "it is warned for longer");
    pass(Duration.ofNanos(1));
    assertFalse(third.isSetAside("dead"));
  }

  @Test
  void afterASuccessTheNextFailureOfAPodIsAWarningAgain() {
    EndpointHealth all = new EndpointHealth(100, () -> now);
    PodHealth pod = all.of("a");
    pod.failed("x");
    pod.succeeded("x");
    assertTrue(all.isEmpty());
    pod.failed("x");
    assertTrue(all.of("b").isSetAside("x"));
  }

  @Test
  void whatIsOverIsLetGoOf() {
    EndpointHealth all = new EndpointHealth(100, () -> now);
    all.of("gone").failed("x");
    pass(Duration.ofSeconds(31));
    all.of("a").failed("y");
    assertEquals(2, all.size(), "what the pod holds, and what it has warned of");
  }

  @Test
  void noMoreAreHeldThanAreRemembered() {
    for (String uid : List.of("a", "b", "c", "d")) {
      health.hold(uid, Duration.ofMinutes(1));
    }
    assertFalse(health.isSetAside("d"));
    assertEquals(3, health.size());
  }
}
