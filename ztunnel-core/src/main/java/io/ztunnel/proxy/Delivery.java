package io.ztunnel.proxy;

import io.netty.util.concurrent.Ticker;
import java.time.Duration;

/**
 * Whether the far end of a leg takes what it is sent.
 *
 * <p>Confined to the relay's event loop, which looks from time to time.
 */
final class Delivery {
  private final Leg leg;
  private final Ticker ticker;
  private long bytes;
  private long takenNanos;

  Delivery(Leg leg, Ticker ticker) {
    this.leg = leg;
    this.ticker = ticker;
    this.bytes = leg.deliveredBytes();
    this.takenNanos = ticker.nanoTime();
  }

  /** Whether something was taken since the look before. */
  boolean look() {
    long now = leg.deliveredBytes();
    if (now == bytes) {
      return false;
    }
    bytes = now;
    takenNanos = ticker.nanoTime();
    return true;
  }

  /** Whether nothing was taken for so long, by the looks. */
  boolean isStuck(Duration limit) {
    return ticker.nanoTime() - takenNanos >= limit.toNanos();
  }
}
