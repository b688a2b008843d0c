package io.ztunnel.xds;

import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * Resources of one type that nobody may need, though they have come: those that were on their way
 * when they were let go of, and those that came with one that is gone. Whether they are needed is
 * found out when the response is in effect. Confined to the {@code xds} thread.
 */
final class Unneeded {
  /** So long what is let go of may be on its way. What comes later is meant. */
  static final long ON_THE_WAY_NANOS = TimeUnit.SECONDS.toNanos(10);

  private final int limit;
  private final LongSupplier nanoTime;

  /** What was let go of on this stream lately. */
  private final Set<String> letGo = new HashSet<>();

  private long letGoNanos;
  private final Set<String> suspected = new LinkedHashSet<>();

  /**
   * For nothing yet.
   *
   * @param limit of the names that are remembered beside those that were let go of last
   */
  Unneeded(int limit, LongSupplier nanoTime) {
    this.limit = limit;
    this.nanoTime = nanoTime;
  }

  /** These are unsubscribed now. */
  void letGo(Collection<String> names) {
    if (names.isEmpty()) {
      return;
    }
    if (letGo.size() + names.size() > limit) {
      letGo.clear();
    }
    letGo.addAll(names);
    letGoNanos = nanoTime.getAsLong();
  }

  /**
   * A response has come.
   *
   * @param names of its resources
   * @param isAnswer whether somebody has waited for one of them: the others came with it then
   */
  void onResponse(Collection<String> names, boolean isAnswer) {
    if (letGo.isEmpty()) {
      return;
    }
    if (nanoTime.getAsLong() - letGoNanos > ON_THE_WAY_NANOS) {
      letGo.clear();
    } else if (isAnswer) {
      names.forEach(letGo::remove);
    } else {
      names.stream().filter(letGo::contains).forEach(suspected::add);
    }
  }

  /** Nobody may need these from now on. */
  void suspect(Collection<String> names) {
    suspected.addAll(names);
  }

  /** Who is to be looked at, once each. */
  Set<String> take() {
    Set<String> taken = new LinkedHashSet<>(suspected);
    suspected.clear();
    return taken;
  }

  /** The stream is over, and nothing is on its way any more. */
  void forget() {
    letGo.clear();
    suspected.clear();
  }
}
