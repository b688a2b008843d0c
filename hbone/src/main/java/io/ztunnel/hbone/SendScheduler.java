package io.ztunnel.hbone;

import io.netty.util.concurrent.Ticker;
import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/**
 * Shares the connection's send window and the channel's buffer among its streams: who has to wait
 * waits in line, and takes turns of one frame.
 *
 * <p>Confined to its connection's event loop.
 */
final class SendScheduler {
  /** What one stream sends in its turn at most. */
  static final int TURN_BYTES = 64 * 1024;

  private final FrameWriter writer;
  private final Ticker ticker;
  private final SendWindow window = new SendWindow(65_535);
  private final ArrayDeque<SendHalf> line = new ArrayDeque<>();
  private @Nullable SendHalf inTurn;

  /** When the window was last used up. */
  private long shutNanos;

  SendScheduler(FrameWriter writer, Ticker ticker) {
    this.writer = writer;
    this.ticker = ticker;
  }

  FrameWriter writer() {
    return writer;
  }

  /** The connection's window; see {@link #take}. */
  SendWindow window() {
    return window;
  }

  /** So much of the connection's window is used. */
  void take(int bytes) {
    window.take(bytes);
    if (window.available() == 0) {
      shutNanos = ticker.nanoTime();
    }
  }

  /** Whether the peer has given no window for so long: the readers of its streams have stopped. */
  boolean isShutFor(long nanos) {
    return window.available() == 0 && ticker.nanoTime() - shutNanos >= nanos;
  }

  /** Whether DATA can go out now on some stream. */
  boolean isOpen() {
    return window.available() > 0 && writer.isWritable();
  }

  /**
   * Whether a stream may send now without overtaking those that wait: nobody does, or it is its
   * turn.
   */
  boolean isFreeFor(SendHalf half) {
    return isOpen() && (line.isEmpty() || half.equals(inTurn));
  }

  /** Puts a stream at the end of the line, if it is not in it. */
  void enqueue(SendHalf half) {
    if (!half.isInLine()) {
      half.inLine(true);
      line.add(half);
    }
  }

  /** Serves the line as far as possible. */
  void serve() {
    if (inTurn != null) {
      return; // asked for in the middle of a turn: the loop below goes on
    }
    try {
      while (isOpen()) {
        SendHalf half = line.poll();
        if (half == null) {
          return;
        }
        half.inLine(false);
        inTurn = half;
        half.takeTurn();
      }
    } finally {
      inTurn = null;
    }
  }

  /** Forgets the line. */
  void close() {
    line.clear();
  }
}
