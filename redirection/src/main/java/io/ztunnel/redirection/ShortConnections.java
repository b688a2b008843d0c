package io.ztunnel.redirection;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongSupplier;

/**
 * Tells which connections of one listener are to stay on the loop that accepts them.
 *
 * <p>Connections that last are better spread: a loop for each core. Those that end at once are
 * better kept together, if there are many: handing each to another loop wakes that loop for it, and
 * the frames of several fit one packet of a tunnel if one loop has them all. As nobody knows how
 * long a connection will last, those before it are asked. Kept are only so many at a time, for the
 * case that they last after all, or are more than one loop can serve.
 *
 * <p>Confined to the accepting loop, except {@link #ended}.
 */
final class ShortConnections {
  /** What ends within this is short. */
  private static final long SHORT_NANOS = TimeUnit.MILLISECONDS.toNanos(250);

  /** So many have to end, one after the other, none of them long, */
  private static final int MANY = 64;

  /** within this; and again in each such time. With fewer there is nothing to be gained. */
  private static final long WINDOW_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  /** That are kept and open. */
  static final int MAX_KEPT = 16;

  private final LongSupplier nanoTime;
  private final AtomicInteger endedInWindow = new AtomicInteger();

  /** Whether a connection has ended in this window that was long. */
  private volatile boolean longEnded;

  private long windowBeganNanos;
  private boolean many;
  private int kept;

  /**
   * @param nanoTime a clock as {@code System.nanoTime}
   */
  ShortConnections(LongSupplier nanoTime) {
    this.nanoTime = nanoTime;
    windowBeganNanos = nanoTime.getAsLong();
  }

  /** One that was accepted: to be {@link #ended} once it is closed. */
  record Accepted(long atNanos, boolean isKept) {}

  /** Whether the next one stays. */
  Accepted accept() {
    long now = nanoTime.getAsLong();
    boolean over = now - windowBeganNanos > WINDOW_NANOS;
    boolean full = endedInWindow.get() >= MANY;
    if (longEnded || over || full) {
      many = !longEnded && !over;
      longEnded = false;
      endedInWindow.set(0);
      windowBeganNanos = now;
    }
    boolean keep = many && kept < MAX_KEPT;
    if (keep) {
      kept++;
    }
    return new Accepted(now, keep);
  }

  /** That one is closed. Called on the loop that it was given to. */
  void ended(Accepted connection) {
    if (connection.isKept()) {
      kept--; // so this is the accepting loop
    }
    if (nanoTime.getAsLong() - connection.atNanos() <= SHORT_NANOS) {
      endedInWindow.incrementAndGet();
    } else {
      longEnded = true;
    }
  }
}
