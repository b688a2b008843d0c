package io.ztunnel.proxy;

import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/**
 * The time between the end of our half of a socket and its close, when the far end may still send
 * what nobody wants. A socket that is closed with bytes unread, or that gets some later, answers by
 * a reset, and the kernel drops what it has still to deliver: so these bytes are read and dropped.
 * A far end that has taken all, our end included, has a second to end its half too. One of which
 * nothing is heard for five seconds, so that nothing can lie unread, is left to the kernel; so is
 * one that only sends, and takes nothing for as long as a dead one may go unnoticed.
 *
 * <p>Confined to the relay's event loop. Its owner ends it.
 */
final class Parting {
  private static final long PERIOD_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final long SILENT_NANOS = TimeUnit.SECONDS.toNanos(5);

  private final EventLoop loop;
  private final RelayLimits limits;
  private final Leg leg;
  private final Delivery delivery;
  private long heardNanos;
  private Future<?> nextLook;

  private Parting(EventLoop loop, RelayLimits limits, Leg leg) {
    this.loop = loop;
    this.limits = limits;
    this.leg = leg;
    this.delivery = new Delivery(leg, loop.ticker());
    this.heardNanos = loop.ticker().nanoTime();
    this.nextLook = lookLater();
  }

  /** Begins for a leg whose half has ended; closes it in the end. */
  static Parting begin(EventLoop loop, RelayLimits limits, Leg leg) {
    return new Parting(loop, limits, leg);
  }

  /** The far end has sent something. */
  void onInput() {
    heardNanos = loop.ticker().nanoTime();
  }

  /** The leg is closed, or about to be. */
  void end() {
    nextLook.cancel(false);
  }

  private Future<?> lookLater() {
    return loop.schedule(this::look, PERIOD_NANOS, TimeUnit.NANOSECONDS);
  }

  private void look() {
    long nowNanos = loop.ticker().nanoTime();
    if (delivery.look()) {
      heardNanos = nowNanos;
    }
    boolean isStuck = delivery.isStuck(limits.probing().untilFound());
    boolean isSilent = nowNanos - heardNanos >= SILENT_NANOS;
    if (isStuck || isSilent || leg.isEndDelivered()) {
      leg.closeAfterWrites();
    } else {
      nextLook = lookLater();
    }
  }
}
