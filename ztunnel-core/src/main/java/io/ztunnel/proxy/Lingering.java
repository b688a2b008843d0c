package io.ztunnel.proxy;

import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * What a leg has still to deliver when its relay has ended both ways. No window of a tunnel and no
 * limit on tunnels holds for these bytes any more, so they count in the budget of the process. A
 * far end may take its time, as with a connection of its own; one that takes none of them for a
 * period is given up when half of the budget is gone.
 *
 * <p>Confined to the relay's event loop. Its owner ends it.
 */
final class Lingering {
  private final EventLoop loop;
  private final RelayLimits limits;
  private final Leg leg;
  private final long bytes;
  private final Runnable onStuck;
  private long delivered;
  private Future<?> nextLook;

  private Lingering(EventLoop loop, RelayLimits limits, Leg leg, long bytes, Runnable onStuck) {
    this.loop = loop;
    this.limits = limits;
    this.leg = leg;
    this.bytes = bytes;
    this.onStuck = onStuck;
    this.delivered = leg.deliveredBytes();
    this.nextLook = lookLater();
  }

  /**
   * Begins, unless the budget has no room for what the leg has.
   *
   * @param onStuck run when the far end has taken nothing for the period, and others may need room
   */
  static @Nullable Lingering begin(EventLoop loop, RelayLimits limits, Leg leg, Runnable onStuck) {
    long bytes = leg.unsentBytes();
    return limits.held().tryLinger(bytes) ? new Lingering(loop, limits, leg, bytes, onStuck) : null;
  }

  /** The bytes are delivered, or dropped. */
  void end() {
    nextLook.cancel(false);
    limits.held().lingered(bytes);
  }

  private Future<?> lookLater() {
    return loop.schedule(this::look, limits.probing().untilFound().toNanos(), TimeUnit.NANOSECONDS);
  }

  private void look() {
    long now = leg.deliveredBytes();
    if (now == delivered && limits.held().isLingeringScarce()) {
      onStuck.run();
    } else {
      delivered = now;
      nextLook = lookLater();
    }
  }
}
