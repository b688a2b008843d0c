package io.ztunnel.hbone;

/**
 * What we may still send, on one stream or on the connection (RFC 9113, 6.9). Negative after the
 * peer has made its initial window smaller.
 *
 * <p>Confined to its connection's event loop.
 */
final class SendWindow {
  private static final long MAX = 0x7fffffffL;

  private long available;

  SendWindow(long available) {
    this.available = available;
  }

  /** What may be sent now; never negative. */
  int available() {
    return (int) Math.max(0, available);
  }

  void take(int bytes) {
    available -= bytes;
  }

  /** Adds what the peer gave, or takes if negative; false if the window is then too large. */
  boolean add(long bytes) {
    available += bytes;
    return available <= MAX;
  }
}
