package io.ztunnel.routing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
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

  @Test
  void noMoreAreHeldThanAreRemembered() {
    for (String uid : List.of("a", "b", "c", "d")) {
      health.hold(uid, Duration.ofMinutes(1));
    }
    assertFalse(health.isSetAside("d"));
    assertEquals(3, health.size());
  }
}
