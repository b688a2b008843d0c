package io.ztunnel.hbone;

/**
 * How the streams of the last while were closed, which decides what a late frame on one of them
 * means (RFC 9113, 5.1). Remembers the newest of every thousand; an older one is forgotten.
 *
 * <p>Confined to its connection's event loop.
 */
final class ClosedStreams {
  /** How a stream came to its end. */
  enum How {
    /** Not known any more, or skipped by the peer and so never opened. */
    FORGOTTEN,
    /** Both halves sent END_STREAM: nothing may follow. */
    ENDED,
    /** The peer reset it: nothing may follow. */
    RESET_BY_PEER,
    /** We reset it: frames that the peer sent before it knew may follow. */
    RESET_BY_US
  }

  private static final int REMEMBERED = 1024;

  private final int[] ids = new int[REMEMBERED];
  private final How[] hows = new How[REMEMBERED];

  void add(int streamId, How how) {
    int slot = slot(streamId);
    ids[slot] = streamId;
    hows[slot] = how;
  }

  How how(int streamId) {
    int slot = slot(streamId);
    return ids[slot] == streamId ? hows[slot] : How.FORGOTTEN;
  }

  private static int slot(int streamId) {
    return (streamId >>> 1) & (REMEMBERED - 1);
  }
}
