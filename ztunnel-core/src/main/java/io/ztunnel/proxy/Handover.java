package io.ztunnel.proxy;

import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.ScheduledFuture;
import io.ztunnel.redirection.SocketFactory;
import java.io.IOException;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps the listeners of a proxy open while its process ends, until another process listens on the
 * same ports: else connections would be refused in between. Confined to the control thread.
 */
final class Handover {
  private static final Logger LOG = LoggerFactory.getLogger("ztunnel::inpod::statemanager");

  private static final long LOOK_MILLIS = 50;

  /**
   * How long is waited for the rest when another process listens where connections are redirected
   * to. It may have no more: whether it answers names or takes SOCKS is a setting.
   */
  private static final long REST_NANOS = TimeUnit.SECONDS.toNanos(2);

  /** Where connections are redirected to, whatever the settings. */
  private static final Set<Integer> REDIRECTED =
      Set.of(ProxySettings.OUTBOUND_PORT, ProxySettings.PASSTHROUGH_PORT, ProxySettings.HBONE_PORT);

  /** Why the listeners are to close. */
  enum Outcome {
    /** Another process listens on every port, or on all that it needs. */
    TAKEN_OVER,
    /**
     * The whole process carries nothing any more: the sooner it ends, the sooner another starts.
     */
    IDLE,
    /** Nobody came in time. */
    WAITED_IN_VAIN
  }

  private final EventExecutor control;
  private final SocketFactory sockets;

  /** How many listeners of this process each port has. */
  private final Map<Integer, Long> own;

  private final BooleanSupplier idle;
  private final long endNanos;
  private final Consumer<Outcome> then;
  private @Nullable ScheduledFuture<?> next;

  /** Since when another process listens on the ports of redirection; null: none does. */
  private @Nullable Long redirectedSinceNanos;

  /**
   * @param ports of the listeners, a port as often as there are listeners on it
   * @param idle whether the process carries nothing
   * @param wait for how long to look for another process
   * @param then closes the listeners; called once, unless cancelled
   */
  Handover(
      EventExecutor control,
      SocketFactory sockets,
      List<Integer> ports,
      BooleanSupplier idle,
      Duration wait,
      Consumer<Outcome> then) {
    this.control = control;
    this.sockets = sockets;
    this.own =
        ports.stream().collect(Collectors.groupingBy(Function.identity(), Collectors.counting()));
    this.idle = idle;
    this.endNanos = control.ticker().nanoTime() + wait.toNanos();
    this.then = then;
  }

  /** Looks for another process at once, and then again and again. */
  void begin() {
    assert control.inEventLoop();
    next = null;
    if (isTakenOver()) {
      then.accept(Outcome.TAKEN_OVER);
    } else if (idle.getAsBoolean()) {
      then.accept(Outcome.IDLE);
    } else if (control.ticker().nanoTime() - endNanos >= 0) {
      then.accept(Outcome.WAITED_IN_VAIN);
    } else {
      next = control.schedule(this::begin, LOOK_MILLIS, TimeUnit.MILLISECONDS);
    }
  }

  /** Stops looking. */
  void cancel() {
    assert control.inEventLoop();
    if (next != null) {
      next.cancel(false);
      next = null;
    }
  }

  private boolean isTakenOver() {
    try {
      Map<Integer, Integer> all = sockets.listeners();
      return isTakenOver(own.keySet(), all) || isRedirectionTakenOver(all);
    } catch (IOException e) {
      LOG.debug("cannot see who listens: {}", e.getMessage());
      return false;
    }
  }

  private boolean isTakenOver(Set<Integer> ports, Map<Integer, Integer> all) {
    return ports.stream().allMatch(port -> all.getOrDefault(port, 0) >= 2 * ownAt(port));
  }

  private long ownAt(int port) {
    return Objects.requireNonNull(own.get(port));
  }

  /** Whether the ports of redirection are, and the others have had their time. */
  private boolean isRedirectionTakenOver(Map<Integer, Integer> all) {
    Set<Integer> redirected = new HashSet<>(own.keySet());
    redirected.retainAll(REDIRECTED);
    if (redirected.isEmpty() || !isTakenOver(redirected, all)) {
      redirectedSinceNanos = null;
      return false;
    }
    long now = control.ticker().nanoTime();
    if (redirectedSinceNanos == null) {
      redirectedSinceNanos = now;
    }
    return now - redirectedSinceNanos >= REST_NANOS;
  }
}
