package io.ztunnel.proxy;

import java.net.InetAddress;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The addresses that names had last, for the time in which no name server tells of others (as RFC
 * 8767 has it). Thread-safe.
 */
final class LastAnswers {
  /** How long after it was given an answer is better than none. */
  static final long KEPT_NANOS = TimeUnit.HOURS.toNanos(1);

  /** How long after the beginning of a lookup that has brought nothing the next one may begin. */
  static final long PAUSE_NANOS = TimeUnit.SECONDS.toNanos(5);

  /** Names; beyond it any one makes room. */
  static final int CAPACITY = 1_000;

  /**
   * @param pauseUntilNanos no lookup begins before; nothing is waited for if it has passed
   */
  private record Answer(List<InetAddress> addresses, long atNanos, long pauseUntilNanos) {}

  private final Map<String, Answer> answers = new ConcurrentHashMap<>();
  private final LongSupplier nanoClock;

  LastAnswers(LongSupplier nanoClock) {
    this.nanoClock = nanoClock;
  }

  /** What to use without asking: a lookup is under way, or has just brought nothing. */
  @Nullable List<InetAddress> withoutAsking(String hostname) {
    Answer last = kept(hostname);
    return last != null && last.pauseUntilNanos() - nanoClock.getAsLong() > 0
        ? last.addresses()
        : null;
  }

  /** What to use if the lookup under way brings nothing, or nothing soon; null: there is none. */
  @Nullable List<InetAddress> last(String hostname) {
    Answer last = kept(hostname);
    return last == null ? null : last.addresses();
  }

  private @Nullable Answer kept(String hostname) {
    Answer last = answers.get(hostname);
    return last != null && nanoClock.getAsLong() - last.atNanos() <= KEPT_NANOS ? last : null;
  }

  /** A lookup begins. Until it ends, others do without one, if they can. */
  void onAsked(String hostname) {
    long until = nanoClock.getAsLong() + PAUSE_NANOS;
    answers.computeIfPresent(
        hostname, (_, last) -> new Answer(last.addresses(), last.atNanos(), until));
  }

  /** These are the addresses now. */
  void onAnswer(String hostname, List<InetAddress> addresses) {
    long now = nanoClock.getAsLong();
    if (answers.size() >= CAPACITY && !answers.containsKey(hostname)) {
      answers.keySet().stream().findAny().ifPresent(answers::remove);
    }
    answers.put(hostname, new Answer(List.copyOf(addresses), now, now));
  }

  /** A name server says that the name has no address. */
  void onDenial(String hostname) {
    answers.remove(hostname);
  }
}
