package io.ztunnel;

import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

/** Waiting for what another thread does, in bounded time. Stateless. */
public final class Await {
  private static final long DEADLINE_SECONDS = 20;
  private static final long POLL_MILLIS = 2;

  private Await() {}

  /** Looks until it is true; fails when it is not in time. */
  public static void until(String what, Callable<Boolean> condition) throws Exception {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(DEADLINE_SECONDS);
    while (!condition.call()) {
      if (System.nanoTime() > end) {
        throw new AssertionError("not within " + DEADLINE_SECONDS + " s: " + what);
      }
      TimeUnit.MILLISECONDS.sleep(POLL_MILLIS);
    }
  }
}
