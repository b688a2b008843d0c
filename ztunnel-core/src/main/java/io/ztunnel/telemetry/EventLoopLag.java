package io.ztunnel.telemetry;

import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * How late the timers of one event loop fire: the longest time for which something kept the loop
 * from its other work. Confined to the loop; {@link #seconds} is for any thread.
 */
public final class EventLoopLag implements AutoCloseable {
  private static final long PERIOD_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final int PROBES_KEPT = 30;

  private final EventExecutor loop;
  private final long[] recent = new long[PROBES_KEPT];
  private int next;
  private long expectedNanos;
  private @Nullable Future<?> timer;
  private boolean closed;
  // Written by the loop, read by scrapes.
  private volatile double worstSeconds;

  /** Begins to probe the loop, once a second, until it is closed or the loop ends. */
  public EventLoopLag(EventExecutor loop) {
    this.loop = loop;
    loop.execute(this::schedule);
  }

  private void schedule() {
    assert loop.inEventLoop();
    if (closed) {
      return;
    }
    expectedNanos = loop.ticker().nanoTime() + PERIOD_NANOS;
    timer = loop.schedule(this::probe, PERIOD_NANOS, TimeUnit.NANOSECONDS);
  }

  private void probe() {
    recent[next] = Math.max(0, loop.ticker().nanoTime() - expectedNanos);
    next = (next + 1) % PROBES_KEPT;
    long worst = 0;
    for (long lag : recent) {
      worst = Math.max(worst, lag);
    }
    worstSeconds = (double) worst / TimeUnit.SECONDS.toNanos(1);
    schedule();
  }

  /** The worst of the last half minute. */
  public double seconds() {
    return worstSeconds;
  }

  /** Ends the probing; nothing if the loop has ended already, which drops its timers. */
  @Override
  public void close() {
    try {
      loop.execute(this::end);
    } catch (RejectedExecutionException _) {
      assert loop.isShuttingDown();
    }
  }

  private void end() {
    closed = true;
    Future<?> pending = timer;
    if (pending != null) {
      pending.cancel(false);
    }
  }
}
