package io.ztunnel.hbone;

import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Sends PINGs and notices when one is not answered: the first one interval after the start, then
 * one interval after each answer, whether data flows or not (Istio).
 *
 * <p>Confined to its connection's event loop.
 */
final class KeepAlive {
  /** Between two PINGs, however many want to know: more often is a flood ({@link FloodGuard}). */
  private static final Duration SHORTEST_PAUSE = Duration.ofMillis(60);

  private final EventLoop loop;
  private final Duration interval;
  private final Duration timeout;
  private final FrameWriter writer;
  private final Runnable onTimeout;
  private @Nullable Future<?> timer;
  private long payload;
  private boolean awaitingAnswer;
  private long askedNanos;

  /** When that was sent which was answered last. */
  private long answeredNanos;

  KeepAlive(EventLoop loop, HboneSettings settings, FrameWriter writer, Runnable onTimeout) {
    this.loop = loop;
    this.interval = settings.pingInterval();
    this.timeout = settings.pingTimeout();
    this.writer = writer;
    this.onTimeout = onTimeout;
  }

  void start() {
    answeredNanos = loop.ticker().nanoTime(); // it has just shaken hands
    schedule(interval, this::ping);
  }

  /** Sends a PING at once, or very soon, unless one is under way: does the peer still live? */
  void probe() {
    if (awaitingAnswer || timer == null) {
      return;
    }
    long sinceNanos = loop.ticker().nanoTime() - askedNanos;
    if (payload == 0 || sinceNanos >= SHORTEST_PAUSE.toNanos()) {
      ping();
    } else {
      schedule(SHORTEST_PAUSE.minusNanos(sinceNanos), this::ping);
    }
  }

  /** An answer to some PING arrived; how long it took, negative if it is not the one awaited. */
  long onAnswer(long answered) {
    if (!awaitingAnswer || answered != payload) {
      return -1;
    }
    awaitingAnswer = false;
    answeredNanos = askedNanos;
    schedule(interval, this::ping);
    return loop.ticker().nanoTime() - askedNanos;
  }

  /** Whether there was no answer for this long, nor anything else since that moment. */
  boolean isUnanswered(long nanos, long lastReadNanos) {
    return awaitingAnswer
        && lastReadNanos - askedNanos < 0
        && loop.ticker().nanoTime() - askedNanos >= nanos;
  }

  /** When the last PING was sent. */
  long askedNanos() {
    return askedNanos;
  }

  /** Whether there was an answer to a PING that was sent at this time or later. */
  boolean hasAnsweredSince(long nanos) {
    return answeredNanos - nanos >= 0;
  }

  void stop() {
    if (timer != null) {
      timer.cancel(false);
      timer = null;
    }
  }

  private void ping() {
    awaitingAnswer = true;
    askedNanos = loop.ticker().nanoTime();
    payload++;
    writer.ping(payload, false);
    schedule(timeout, onTimeout);
  }

  private void schedule(Duration delay, Runnable action) {
    stop();
    timer = loop.schedule(action, delay.toNanos(), TimeUnit.NANOSECONDS);
  }
}
