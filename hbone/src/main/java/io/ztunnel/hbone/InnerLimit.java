package io.ztunnel.hbone;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * How many connections within tunnels to gateways the process may have, those in the making
 * included: each costs the memory of a TLS session and of an HTTP/2 connection at both ends. When
 * there is no room, those that carry nothing make it. Any thread.
 */
public final class InnerLimit {
  private final int max;
  private final AtomicInteger open = new AtomicInteger();
  private final Set<NestedTunnels> holders = ConcurrentHashMap.newKeySet();

  /**
   * @param max the most there may be
   */
  public InnerLimit(int max) {
    if (max < 1) {
      throw new IllegalArgumentException("max: " + max + " (expected: >= 1)");
    }
    this.max = max;
  }

  /** How many there are. */
  public int open() {
    return open.get();
  }

  /** Takes room for one, if there is any. */
  boolean tryOpen(NestedTunnels holder) {
    boolean taken = open.getAndUpdate(count -> count < max ? count + 1 : count) < max;
    if (taken) {
      holders.add(holder);
    }
    return taken;
  }

  /** Gives the room of one back. */
  void closed() {
    open.decrementAndGet();
  }

  void leave(NestedTunnels holder) {
    holders.remove(holder);
  }

  /** Has the others close one each that carries nothing. */
  void askForRoom(NestedTunnels asker) {
    for (NestedTunnels holder : holders) {
      if (!holder.equals(asker)) {
        holder.makeRoom();
      }
    }
  }

  HboneFailure reached() {
    return new HboneFailure.InnerLimitReached(max);
  }
}
