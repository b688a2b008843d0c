package io.ztunnel.routing;

import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;

/**
 * What failed lately and is better avoided, by keys (of a workload, of an address, or of what is
 * behind a port of it), and for how long: after the first failure 1 s, doubled by each further one
 * up to 30 s. Then one connection tries, and the others wait for what becomes of it: a workload
 * that has gone must not have all of them again. A success ends it.
 *
 * <p>Any thread; asking takes no lock. It remembers a bounded number of keys; when that is used up,
 * further failures are not remembered until others have passed. What is over for half a minute is
 * let go of when something else fails.
 */
public final class EndpointHealth {
  /** How many keys are remembered, unless the owner says otherwise. */
  public static final int DEFAULT_CAPACITY = 10_000;

  private static final long FIRST_NANOS = Duration.ofSeconds(1).toNanos();
  private static final long LONGEST_NANOS = Duration.ofSeconds(30).toNanos();

  /** As long as one connection is given to find out; then the next one may. */
  private static final long TRIAL_NANOS = Duration.ofSeconds(2).toNanos();

  /** So long passes at least from one look for what can be let go of to the next. */
  private static final long LOOK_NANOS = Duration.ofSeconds(1).toNanos();

  private final int capacity;
  private final LongSupplier nanoClock;

  /** When it was last looked for what can be let go of. */
  private final AtomicLong lookedNanos;

  /** Shared by the event loops. */
  private final Map<String, Aside> aside = new ConcurrentHashMap<>();

  /**
   * Nothing is set aside.
   *
   * @param nanoClock a clock like {@link System#nanoTime}
   */
  public EndpointHealth(int capacity, LongSupplier nanoClock) {
    this.capacity = capacity;
    this.nanoClock = nanoClock;
    this.lookedNanos = new AtomicLong(nanoClock.getAsLong());
  }

  /** Whether nothing is remembered. */
  boolean isEmpty() {
    return aside.isEmpty();
  }

  /** What a pod should avoid, by the uid of its workload. */
  public PodHealth of(String pod) {
    return new PodHealth(this, pod);
  }

  /** Whether it should be avoided now. */
  public boolean isSetAside(String key) {
    if (aside.isEmpty()) {
      return false;
    }
    Aside entry = aside.get(key);
    return entry != null && !entry.isOver(nanoClock.getAsLong());
  }

  /** For how long it has been so that it should be avoided; empty: it should not. */
  public Optional<Duration> setAsideFor(String key) {
    Aside entry = aside.get(key);
    long now = nanoClock.getAsLong();
    return entry == null || entry.isOver(now)
        ? Optional.empty()
        : Optional.of(Duration.ofNanos(now - entry.sinceNanos));
  }

  /**
   * It should be avoided until it has {@link #succeeded}: somebody else finds that out.
   *
   * @param atMost for so long only
   */
  void hold(String key, Duration atMost) {
    long now = nanoClock.getAsLong();
    if (isRoomFor(key, now)) {
      aside.merge(
          key, Aside.first(now).held(now, atMost), (earlier, _) -> earlier.held(now, atMost));
    }
  }

  /**
   * It is tried now.
   *
   * @return whether a failure of it is remembered
   */
  public boolean attempted(String key) {
    Aside entry = aside.isEmpty() ? null : aside.get(key);
    if (entry == null) {
      return false;
    }
    long now = nanoClock.getAsLong();
    if (entry.isOver(now)) {
      aside.computeIfPresent(
          key, (_, present) -> present.isOver(now) ? present.trial(now) : present);
    }
    return !entry.isForgotten(now);
  }

  /**
   * It failed.
   *
   * @return whether no failure of it was remembered before, and this one is
   */
  public boolean failed(String key) {
    long now = nanoClock.getAsLong();
    return isRoomFor(key, now)
        && aside.merge(key, Aside.first(now), (earlier, _) -> earlier.again(now)).sinceNanos == now;
  }

  /** It succeeded. */
  public void succeeded(String key) {
    if (!aside.isEmpty() && aside.containsKey(key)) {
      aside.remove(key);
    }
  }

  private boolean isRoomFor(String key, long now) {
    long looked = lookedNanos.get();
    if (now - looked >= LOOK_NANOS && lookedNanos.compareAndSet(looked, now)) {
      aside.values().removeIf(entry -> entry.isForgotten(now));
    }
    return aside.size() < capacity || aside.containsKey(key);
  }

  /** How many keys are remembered. */
  int size() {
    return aside.size();
  }

  /**
   * Until when one is set aside. Connections under way fail together: what fails before the time is
   * over does not make it longer, unless it was the trial. Immutable.
   */
  private record Aside(long sinceNanos, long untilNanos, long durationNanos, boolean onTrial) {
    static Aside first(long now) {
      return new Aside(now, now + FIRST_NANOS, FIRST_NANOS, false);
    }

    Aside trial(long now) {
      return isForgotten(now)
          ? this
          : new Aside(sinceNanos, now + TRIAL_NANOS, durationNanos, true);
    }

    Aside held(long now, Duration atMost) {
      return new Aside(
          isForgotten(now) ? now : sinceNanos, now + atMost.toNanos(), durationNanos, false);
    }

    Aside again(long now) {
      if (!onTrial && !isOver(now)) {
        return this;
      }
      if (isForgotten(now)) {
        return first(now);
      }
      long longer = Math.min(2 * durationNanos, LONGEST_NANOS);
      return new Aside(sinceNanos, now + longer, longer, false);
    }

    boolean isOver(long now) {
      return now - untilNanos >= 0;
    }

    /** Whether a new failure would be the first again. */
    boolean isForgotten(long now) {
      return now - untilNanos >= LONGEST_NANOS;
    }
  }
}
