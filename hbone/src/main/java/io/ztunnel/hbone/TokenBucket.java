package io.ztunnel.hbone;

/**
 * An allowance that refills with time: bursts up to its capacity, in the long run no more than its
 * rate.
 *
 * <p>Confined to its connection's event loop; the time is given by the caller.
 */
final class TokenBucket {
  private static final double NANOS_PER_SECOND = 1e9;

  private final double capacity;
  private final double perSecond;
  private double tokens;
  private long lastNanos;

  TokenBucket(double capacity, double perSecond, long nowNanos) {
    this.capacity = capacity;
    this.perSecond = perSecond;
    this.tokens = capacity;
    this.lastNanos = nowNanos;
  }

  /** Takes one; false when nothing is left. */
  boolean take(long nowNanos) {
    if (tokens < 1) {
      double refill = (nowNanos - lastNanos) / NANOS_PER_SECOND * perSecond;
      lastNanos = nowNanos;
      tokens = Math.min(capacity, tokens + refill);
      if (tokens < 1) {
        return false;
      }
    }
    tokens--;
    return true;
  }

  /** Adds to the allowance, up to the capacity: work we gave the peer reason for. */
  void grant(double more) {
    tokens = Math.min(capacity, tokens + more);
  }
}
