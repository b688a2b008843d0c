package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.ztunnel.redirection.Unanswered;
import java.time.Duration;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** With a minute: a look every 10 s, and 40 s of silence. */
class SilenceTest {
  private static final HalfClosedProbing PROBING = HalfClosedProbing.within(Duration.ofMinutes(1));
  private static final int NEVER = -1;

  private final Silence silence = new Silence(PROBING);

  private static Unanswered unanswered(int attempts, long silenceSeconds) {
    return new Unanswered(attempts, Duration.ofSeconds(silenceSeconds));
  }

  /** The look that tells, counted from 1. */
  private int look(Unanswered... looks) {
    return IntStream.range(0, looks.length)
        .filter(i -> silence.tells(looks[i]))
        .map(i -> i + 1)
        .findFirst()
        .orElse(NEVER);
  }

  @Test
  void nobodyIsThereWhenAllIsUnansweredForLong() {
    assertEquals(
        5,
        look(
            unanswered(4, 5),
            unanswered(6, 15),
            unanswered(6, 25),
            unanswered(7, 35),
            unanswered(7, 45),
            unanswered(7, 55)));
  }

  @Test
  void aConnectionThatWasIdleForLongHasTheSameTime() {
    assertEquals(
        6,
        look(
            unanswered(0, 500),
            unanswered(2, 510),
            unanswered(4, 520),
            unanswered(5, 530),
            unanswered(6, 540),
            unanswered(6, 550)));
  }

  @Test
  void oneAnswerBetweenTwoLooksIsASign() {
    assertEquals(
        8,
        look(
            unanswered(4, 5),
            unanswered(6, 15),
            unanswered(6, 25),
            unanswered(7, 35),
            unanswered(3, 9),
            unanswered(5, 19),
            unanswered(6, 39),
            unanswered(6, 49)));
  }

  @Test
  void oneThatIsIdleSaysNothing() {
    assertEquals(
        NEVER,
        look(
            unanswered(0, 100),
            unanswered(0, 110),
            unanswered(0, 120),
            unanswered(0, 130),
            unanswered(0, 140),
            unanswered(0, 150)));
  }

  /** The kernel asks for a window that was shut for long every two minutes only. */
  @Test
  void fewThatAreLostAreNoSign() {
    assertEquals(
        NEVER,
        look(
            unanswered(1, 130),
            unanswered(1, 140),
            unanswered(1, 150),
            unanswered(1, 160),
            unanswered(1, 170),
            unanswered(2, 250),
            unanswered(2, 260)));
    assertEquals(1, look(unanswered(3, 370)));
  }
}
