package io.ztunnel.hbone;

import java.util.ArrayDeque;

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
  private final SendWindow window = new SendWindow(65_535);
  private final ArrayDeque<SendHalf> line = new ArrayDeque<>();
  private boolean serving;

  SendScheduler(FrameWriter writer) {
    this.writer = writer;
  }

  FrameWriter writer() {
    return writer;
  }

  /** The connection's window. */
  SendWindow window() {
    return window;
  }

  /** Whether DATA can go out now on some stream. */
  boolean isOpen() {
    return window.available() > 0 && writer.isWritable();
  }

  /** Whether a stream may send now without overtaking those that wait. */
  boolean isFree() {
    return line.isEmpty() && isOpen();
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
    if (serving) {
      return; // a turn made the channel unwritable and writable again: the loop below goes on
    }
    serving = true;
    try {
      while (isOpen()) {
        SendHalf half = line.poll();
        if (half == null) {
          return;
        }
        half.inLine(false);
        half.takeTurn();
      }
    } finally {
      serving = false;
    }
  }

  /** Forgets the line. */
  void close() {
    line.clear();
  }
}
