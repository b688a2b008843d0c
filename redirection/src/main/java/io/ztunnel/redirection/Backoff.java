package io.ztunnel.redirection;

import java.time.Duration;
import java.util.random.RandomGenerator;

/**
 * Growing pauses between attempts: each twice the last, up to 15 s. Confined to its user's thread.
 */
final class Backoff {
  private static final long CAP_NANOS = Duration.ofSeconds(15).toNanos();

  private final double jitter;
  private final RandomGenerator random;
  private long nextNanos;

  /** The jitter is the part of a pause by which it may be longer or shorter, 0 to 1. */
  Backoff(Duration first, double jitter, RandomGenerator random) {
    this.nextNanos = first.toNanos();
    this.jitter = jitter;
    this.random = random;
  }

  /** The pause before the next attempt. */
  Duration next() {
    double factor = jitter == 0 ? 1 : random.nextDouble(1 - jitter, 1 + jitter);
    Duration pause = Duration.ofNanos((long) (nextNanos * factor));
    nextNanos = Math.min(CAP_NANOS, 2 * nextNanos);
    return pause;
  }

  /** Starts over, from the given pause. */
  void reset(Duration first) {
    nextNanos = first.toNanos();
  }
}
