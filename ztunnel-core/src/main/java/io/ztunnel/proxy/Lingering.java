package io.ztunnel.proxy;

import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What a leg has still to deliver when its relay has ended both ways. No window of a tunnel and no
 * limit on tunnels holds for these bytes any more, so they count in the budget of the process. A
 * far end may take its time, as with a connection of its own; one that takes none of them for as
 * long as a dead one may go unnoticed is given up when half of the budget is gone, and one that is
 * dead ({@link Silence}) in any case.
 *
 * <p>Confined to the relay's event loop. Its owner ends it.
 */
final class Lingering {
  private final EventLoop loop;
  private final RelayLimits limits;
  private final Leg leg;
  private final long bytes;
  private final Consumer<String> onHopeless;
  private final Silence silence;
  private final Delivery delivery;
  private Future<?> nextLook;

  private Lingering(
      EventLoop loop, RelayLimits limits, Leg leg, long bytes, Consumer<String> onHopeless) {
    this.loop = loop;
    this.limits = limits;
    this.leg = leg;
    this.bytes = bytes;
    this.onHopeless = onHopeless;
    this.silence = new Silence(limits.probing());
    this.delivery = new Delivery(leg, loop.ticker());
    this.nextLook = lookLater();
  }

  /**
   * Begins, unless the budget has no room for what the leg has.
   *
   * @param onHopeless told why when nobody is there, or when the far end has taken nothing for long
   *     and others may need room
   */
  static @Nullable Lingering begin(
      EventLoop loop, RelayLimits limits, Leg leg, Consumer<String> onHopeless) {
    long bytes = leg.unsentBytes();
    return limits.held().tryLinger(bytes)
        ? new Lingering(loop, limits, leg, bytes, onHopeless)
        : null;
  }

  /** The bytes are delivered, or dropped. */
  void end() {
    nextLook.cancel(false);
    limits.held().lingered(bytes);
  }

  private Future<?> lookLater() {
    return loop.schedule(this::look, limits.probing().period().toNanos(), TimeUnit.NANOSECONDS);
  }

  private void look() {
    delivery.look();
    if (silence.tells(leg.unanswered())) {
      onHopeless.accept(silence.text());
    } else if (delivery.isStuck(limits.probing().untilFound())
        && limits.held().isLingeringScarce()) {
      onHopeless.accept("nothing taken for " + limits.probing().untilFound().toSeconds() + "s");
    } else {
      nextLook = lookLater();
    }
  }
}
