package io.ztunnel.dns;

import java.util.concurrent.atomic.AtomicInteger;

/** What the answers that are remembered for all pods of the node may take. For any thread. */
public final class AnswerMemory {
  private final int maxBytes;
  private final AtomicInteger bytes = new AtomicInteger();

  public AnswerMemory(int maxBytes) {
    this.maxBytes = maxBytes;
  }

  /** Takes as many if there are as many; false if not. */
  boolean take(int wanted) {
    int before = bytes.get();
    while (before <= maxBytes - wanted) {
      if (bytes.compareAndSet(before, before + wanted)) {
        return true;
      }
      before = bytes.get();
    }
    return false;
  }

  /** Gives back what was taken. */
  void free(int given) {
    bytes.addAndGet(-given);
  }

  /** Whether less than an eighth is left. */
  boolean isScarce() {
    return bytes.get() > maxBytes - maxBytes / 8;
  }

  /** What is taken. */
  int bytes() {
    return bytes.get();
  }
}
