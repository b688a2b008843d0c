package io.ztunnel.profile;

/** How many bytes of heap may be kept. Confined to its owner's thread. */
final class Room {
  private final long bytes;
  private long taken;

  Room(long bytes) {
    this.bytes = bytes;
  }

  /** Takes so many bytes; false, and takes none, if there are fewer. */
  boolean take(long wanted) {
    if (wanted > bytes - taken) {
      return false;
    }
    taken += wanted;
    return true;
  }

  long taken() {
    return taken;
  }
}
