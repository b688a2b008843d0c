package io.ztunnel.admin;

import io.netty.channel.Channel;
import java.util.LinkedHashSet;
import java.util.SequencedSet;
import org.jspecify.annotations.Nullable;

/**
 * The connections of a server that owe no answer, the one that has rested the longest first. Any
 * thread; guarded by this.
 */
final class RestingConnections {
  private final SequencedSet<Channel> resting = new LinkedHashSet<>();

  /** It has answered all that it was asked, or was not asked yet. */
  synchronized void add(Channel connection) {
    resting.addLast(connection);
  }

  /** It has a request, or is closed. */
  synchronized void remove(Channel connection) {
    resting.remove(connection);
  }

  /** Takes the one that has rested the longest; null if there is none. */
  synchronized @Nullable Channel poll() {
    return resting.isEmpty() ? null : resting.removeFirst();
  }
}
