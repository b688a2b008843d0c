package io.ztunnel.routing;

import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.LongSupplier;

/**
 * Which workloads failed lately and are better avoided, and for how long: after the first failure 1
 * s, doubled by each further one up to 30 s. Then one connection tries, and the others wait for
 * what becomes of it: a workload that has gone must not have all of them again. A success ends it.
 *
 * <p>Any thread. It remembers a bounded number of workloads; when that is used up, further failures
 * are not remembered until others have passed.
 */
public final class EndpointHealth {
  /** How many workloads are remembered, unless the owner says otherwise. */
  public static final int DEFAULT_CAPACITY = 10_000;

  private static final long FIRST_NANOS = Duration.ofSeconds(1).toNanos();
  private static final long LONGEST_NANOS = Duration.ofSeconds(30).toNanos();

  /** As long as one connection is given to find out; then the next one may. */
  private static final long TRIAL_NANOS = Duration.ofSeconds(2).toNanos();

  private final int capacity;
  private final LongSupplier nanoClock;

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
  }

  /** Whether nothing is remembered. */
  boolean isEmpty() {
    return aside.isEmpty();
  }

  /** What a pod should avoid, by the uid of its workload. */
  public PodHealth of(String pod) {
    return new PodHealth(this, pod);
  }

  /** Whether the workload of this uid should be avoided now. */
  public boolean isSetAside(String workloadUid) {
    if (aside.isEmpty()) {
      return false;
    }
    Aside entry = aside.get(workloadUid);
    return entry != null && !entry.isOver(nanoClock.getAsLong());
  }

  /** For how long it has been so that the workload should be avoided; empty: it should not. */
  public Optional<Duration> setAsideFor(String workloadUid) {
    Aside entry = aside.get(workloadUid);
    long now = nanoClock.getAsLong();
    return entry == null || entry.isOver(now)
        ? Optional.empty()
        : Optional.of(Duration.ofNanos(now - entry.sinceNanos));
  }

  /**
   * The workload should be avoided until it has {@link #succeeded}: somebody else finds that out.
   *
   * @param atMost for so long only
   */
  void hold(String workloadUid, Duration atMost) {
    long now = nanoClock.getAsLong();
    if (isRoomFor(workloadUid, now)) {
      aside.merge(
          workloadUid,
          Aside.first(now).held(now, atMost),
          (earlier, _) -> earlier.held(now, atMost));
    }
  }

  /** The workload is dialled now. */
  public void attempted(String workloadUid) {
    if (aside.isEmpty()) {
      return;
    }
    long now = nanoClock.getAsLong();
    aside.computeIfPresent(workloadUid, (_, entry) -> entry.isOver(now) ? entry.trial(now) : entry);
  }

  /** Dialling the workload failed. */
  public void failed(String workloadUid) {
    long now = nanoClock.getAsLong();
    if (isRoomFor(workloadUid, now)) {
      aside.merge(workloadUid, Aside.first(now), (earlier, _) -> earlier.again(now));
    }
  }

  /** Dialling the workload succeeded. */
  public void succeeded(String workloadUid) {
    if (!aside.isEmpty()) {
      aside.remove(workloadUid);
    }
  }

  private boolean isRoomFor(String workloadUid, long now) {
    if (aside.size() >= capacity) {
      aside.values().removeIf(entry -> entry.isForgotten(now));
    }
    return aside.size() < capacity || aside.containsKey(workloadUid);
  }

  /** How many workloads are remembered. */
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
