package io.ztunnel.xds;

import java.time.Duration;
import java.util.random.RandomGenerator;

/**
 * Growing pauses between attempts: 10 ms, each twice the last, up to 15 s (Istio), each longer or
 * shorter by up to a half by chance, so that the nodes of a cluster do not come back all at once.
 * Confined to its user's thread.
 */
final class Backoff {
  static final Duration FIRST = Duration.ofMillis(10);
  static final Duration CAP = Duration.ofSeconds(15);
  private static final double JITTER = 0.5;

  private final RandomGenerator random;
  private long nextNanos = FIRST.toNanos();

  Backoff(RandomGenerator random) {
    this.random = random;
  }

  /** The pause before the next attempt. */
  Duration next() {
    double factor = random.nextDouble(1 - JITTER, 1 + JITTER);
    Duration pause = Duration.ofNanos((long) (nextNanos * factor));
    nextNanos = Math.min(CAP.toNanos(), 2 * nextNanos);
    return pause;
  }

  /** Starts over: the last attempt was a good one. */
  void reset() {
    nextNanos = FIRST.toNanos();
  }
}
