package io.ztunnel.bench.scenarios;

import io.ztunnel.bench.lab.Pause;
import java.io.IOException;
import java.time.Duration;
import org.junit.jupiter.api.Assertions;

/** Waiting for what another process does, with a deadline. Stateless. */
final class Await {
  private static final Duration DEADLINE = Duration.ofSeconds(30);
  private static final Duration POLL = Duration.ofMillis(20);

  private Await() {}

  /** A look at something that changes. */
  @FunctionalInterface
  interface Look<T> {
    T now() throws IOException;
  }

  /** Looks until it is as expected; fails with the last look. */
  static <T> void equal(T expected, Look<T> look) throws IOException {
    long end = System.nanoTime() + DEADLINE.toNanos();
    T seen = look.now();
    while (!expected.equals(seen) && System.nanoTime() < end) {
      Pause.of(POLL);
      seen = look.now();
    }
    Assertions.assertEquals(expected, seen);
  }

  /** Looks until it is true. */
  static void until(String what, Look<Boolean> look) throws IOException {
    long end = System.nanoTime() + DEADLINE.toNanos();
    while (!look.now()) {
      if (System.nanoTime() > end) {
        throw new AssertionError("not within " + DEADLINE + ": " + what);
      }
      Pause.of(POLL);
    }
  }
}
