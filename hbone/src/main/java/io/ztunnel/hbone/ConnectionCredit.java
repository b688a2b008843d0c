package io.ztunnel.hbone;

import java.util.concurrent.Executor;

/**
 * Credit of the connection for what arrives. It is given back on arrival, whatever the streams'
 * readers do; only when the process holds too much for slow readers does it wait for them.
 *
 * <p>Confined to its connection's event loop.
 */
final class ConnectionCredit {
  /** What the peer may send before our first WINDOW_UPDATE (RFC 9113, 6.9.2). */
  static final int INITIAL_BYTES = 65_535;

  private final FrameWriter writer;
  private final ReceiveWindow window;
  private final HeldBytes.Account held;

  /** What the window is still to grow by. */
  private int unopened;

  private boolean closed;

  /**
   * Credit for a connection.
   *
   * @param onRelief run when what was withheld may be given back
   * @param onFull run when slow readers of this connection have to go, while it {@link #isFull}
   */
  ConnectionCredit(
      FrameWriter writer,
      int windowBytes,
      HeldBytes heldBytes,
      Executor loop,
      Runnable onRelief,
      Runnable onFull) {
    this.writer = writer;
    this.window = new ReceiveWindow(INITIAL_BYTES, INITIAL_BYTES);
    this.unopened = Math.max(0, windowBytes - INITIAL_BYTES);
    this.held = heldBytes.open(loop, onRelief, onFull);
  }

  /**
   * Gives the window its size, from the start on; later, on relief, if the process holds too much
   * already: connections that come then could each bring more.
   */
  void open() {
    if (unopened == 0 || closed) {
      return;
    }
    if (held.isExceeded()) {
      held.awaitRelief();
      return;
    }
    window.grow(unopened);
    writer.windowUpdate(0, unopened);
    unopened = 0;
  }

  /** Counts a DATA frame; false if the peer sent more than it may. */
  boolean receive(int flowBytes) {
    return window.receive(flowBytes);
  }

  /** Gives back bytes that nobody will read, or that were withheld. */
  void giveBack(int bytes) {
    if (closed) {
      return;
    }
    int increment = window.credit(bytes);
    if (increment > 0) {
      writer.windowUpdate(0, increment);
    }
  }

  /**
   * Bytes arrived for a reader; returns how many of them are withheld until they are read: all or
   * none.
   */
  int arrived(int bytes) {
    held.add(bytes);
    if (held.isExceeded()) {
      held.awaitRelief();
      return bytes;
    }
    giveBack(bytes);
    return 0;
  }

  /** Whether the process holds so much that slow readers have to go. */
  boolean isFull() {
    return held.isFull();
  }

  /** A reader has read them, or will not. */
  void unhold(int bytes) {
    held.remove(bytes);
  }

  void close() {
    closed = true;
    held.close();
  }
}
