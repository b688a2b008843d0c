package io.ztunnel.admin;

import io.ztunnel.log.Log;
import io.ztunnel.log.LogLevel;
import java.math.BigDecimal;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.function.LongSupplier;

/**
 * What must be done before the daemon is ready, by name. Any thread; one lock, held for moments
 * only.
 */
public final class Readiness {
  private static final Log LOG = Log.target("ztunnel::readiness");
  private static final long NANOS_PER_MICRO = 1_000;
  private static final long NANOS_PER_MILLI = 1_000_000;
  private static final long NANOS_PER_SECOND = 1_000_000_000;

  private final LongSupplier nanoTime;
  private final long startNanos;
  private final Object lock = new Object();
  private final SortedSet<String> pending = new TreeSet<>(); // guarded by lock

  /**
   * Ready until something is registered.
   *
   * @param nanoTime a clock as {@code System.nanoTime}; the start is now
   */
  public Readiness(LongSupplier nanoTime) {
    this.nanoTime = nanoTime;
    this.startNanos = nanoTime.getAsLong();
  }

  /** The daemon is not ready until {@link #complete} of this name; again after each call. */
  public void require(String task) {
    synchronized (lock) {
      pending.add(task);
    }
  }

  /** The task is done; nothing if it was not pending. */
  public void complete(String task) {
    int left;
    synchronized (lock) {
      if (!pending.remove(task)) {
        return;
      }
      left = pending.size();
    }
    String after = duration(nanoTime.getAsLong() - startNanos);
    String rest = left == 0 ? "marking server ready" : "still awaiting " + left + " tasks";
    if (LOG.isEnabled(LogLevel.INFO)) {
      LOG.info("Task '" + task + "' complete (" + after + "), " + rest);
    }
  }

  /** The tasks that are not done, by name. */
  List<String> pending() {
    synchronized (lock) {
      return List.copyOf(pending);
    }
  }

  /** As {@code 40.087053ms}: the largest unit of which there is at least one. */
  static String duration(long nanos) {
    if (nanos >= NANOS_PER_SECOND) {
      return of(nanos, 9) + "s";
    }
    if (nanos >= NANOS_PER_MILLI) {
      return of(nanos, 6) + "ms";
    }
    return nanos >= NANOS_PER_MICRO ? of(nanos, 3) + "µs" : nanos + "ns";
  }

  private static String of(long nanos, int decimals) {
    return BigDecimal.valueOf(nanos, decimals).stripTrailingZeros().toPlainString();
  }
}
