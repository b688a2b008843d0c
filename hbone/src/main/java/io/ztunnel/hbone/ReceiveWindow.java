package io.ztunnel.hbone;

/**
 * What the peer may still send, on one stream or on the connection (RFC 9113, 6.9).
 *
 * <p>Confined to its connection's event loop.
 */
final class ReceiveWindow {
  /** Credit is announced in steps of this part of the window, so that updates are rare. */
  private static final int STEPS = 8;

  private int size;
  private int available;
  private int credit;

  /**
   * A window of which the peer may use this much at once; the rest of the size is to be announced
   * by the caller.
   */
  ReceiveWindow(int size, int available) {
    this.size = size;
    this.available = available;
  }

  /** Makes the window larger; the caller announces it. */
  void grow(int bytes) {
    size += bytes;
    available += bytes;
  }

  /** Counts what arrived; false if the peer sent more than it may. */
  boolean receive(int bytes) {
    available -= bytes;
    return available >= 0;
  }

  /** Gives back what was received; returns the increment to announce now, or 0. */
  int credit(int bytes) {
    credit += bytes;
    if (credit < Math.max(1, size / STEPS)) {
      return 0;
    }
    int increment = credit;
    credit = 0;
    available += increment;
    return increment;
  }
}
