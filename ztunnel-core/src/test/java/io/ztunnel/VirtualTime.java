package io.ztunnel;

import io.netty.channel.EventLoop;
import io.netty.channel.embedded.EmbeddedChannel;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.ZoneOffset;
import java.util.concurrent.TimeUnit;

/**
 * Time that passes when the test says so: a loop whose tasks and timers run when the test lets
 * them, and a clock that goes with it. Confined to the test's thread, which counts as the loop's.
 */
public final class VirtualTime {
  private final EmbeddedChannel channel = new EmbeddedChannel();
  private Instant now;

  public VirtualTime(Instant start) {
    channel.freezeTime();
    this.now = start;
  }

  public EventLoop loop() {
    return channel.eventLoop();
  }

  public Instant now() {
    return now;
  }

  public Clock clock() {
    InstantSource source = () -> now;
    return source.withZone(ZoneOffset.UTC);
  }

  /** Runs what is due, and what that makes due. */
  public void settle() {
    channel.runPendingTasks();
  }

  /** Lets time pass from timer to timer, each of which sees the moment it was set to. */
  public void pass(Duration duration) {
    settle();
    long leftNanos = duration.toNanos();
    while (leftNanos > 0) {
      long untilNextNanos = channel.runScheduledPendingTasks();
      long stepNanos = untilNextNanos < 0 ? leftNanos : Math.min(untilNextNanos, leftNanos);
      channel.advanceTimeBy(stepNanos, TimeUnit.NANOSECONDS);
      now = now.plusNanos(stepNanos);
      leftNanos -= stepNanos;
      settle();
    }
  }

  /** The clock goes on and the timers stand still, as when a machine is suspended. */
  public void sleep(Duration duration) {
    now = now.plus(duration);
  }

  /** Whether a timer is set that nobody has cancelled. */
  public boolean hasTimers() {
    settle();
    return channel.runScheduledPendingTasks() >= 0;
  }
}
