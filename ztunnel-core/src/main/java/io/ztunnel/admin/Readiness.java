package io.ztunnel.admin;

import io.ztunnel.log.Log;
import io.ztunnel.log.LogLevel;
import java.math.BigDecimal;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.LongSupplier;
import java.util.function.Supplier;

/**
 * What must be done before the daemon is ready, by name; and, for those who look closer, how the
 * parts are that may be ill while the daemon is ready. Any thread; one lock, held for moments only.
 */
public final class Readiness {
  private static final Log LOG = Log.target("ztunnel::readiness");
  private static final long NANOS_PER_MICRO = 1_000;
  private static final long NANOS_PER_MILLI = 1_000_000;
  private static final long NANOS_PER_SECOND = 1_000_000_000;

  private final LongSupplier nanoTime;
  private final long startNanos;
  private final Object lock = new Object();
  private final SortedMap<String, Task> tasks = new TreeMap<>(); // guarded by lock
  private final SortedMap<String, Supplier<String>> watched = new TreeMap<>(); // guarded by lock
  private long drainSinceNanos; // guarded by lock
  private boolean draining; // guarded by lock

  /** One task. Immutable. */
  private sealed interface Task {
    /**
     * @param waitsFor what it needs from elsewhere; empty: nothing
     */
    record Pending(long sinceNanos, String waitsFor) implements Task {}

    record Done(long atNanos) implements Task {}
  }

  /**
   * Ready until something is registered.
   *
   * @param nanoTime a clock as {@code System.nanoTime}; the start is now
   */
  public Readiness(LongSupplier nanoTime) {
    this.nanoTime = nanoTime;
    this.startNanos = nanoTime.getAsLong();
  }

  /** The daemon is not ready until {@link #complete} of this name; again after each call. */
  public void require(String task) {
    require(task, "");
  }

  /**
   * The same, for a task that depends on somebody else.
   *
   * @param waitsFor what it waits for, for people
   */
  public void require(String task, String waitsFor) {
    synchronized (lock) {
      if (!(tasks.get(task) instanceof Task.Pending)) {
        tasks.put(task, new Task.Pending(nanoTime.getAsLong(), waitsFor));
      }
    }
  }

  /** The task is done; nothing if it was not pending. */
  public void complete(String task) {
    long now = nanoTime.getAsLong();
    long left;
    synchronized (lock) {
      if (!(tasks.get(task) instanceof Task.Pending)) {
        return;
      }
      tasks.put(task, new Task.Done(now));
      left = tasks.values().stream().filter(Task.Pending.class::isInstance).count();
    }
    String after = duration(now - startNanos);
    String rest = left == 0 ? "marking server ready" : "still awaiting " + left + " tasks";
    if (LOG.isEnabled(LogLevel.INFO)) {
      LOG.info("Task '" + task + "' complete (" + after + "), " + rest);
    }
  }

  /**
   * Shows how a part is beside the tasks. It does not make the daemon unready.
   *
   * @param problem what is wrong with it now, in one line; empty: nothing. Called by any thread, at
   *     each look; must not wait
   */
  public void watch(String part, Supplier<String> problem) {
    synchronized (lock) {
      watched.put(part, problem);
    }
  }

  /** The daemon ends, and is not ready any more, whatever is done. */
  public void drain() {
    synchronized (lock) {
      if (!draining) {
        draining = true;
        drainSinceNanos = nanoTime.getAsLong();
      }
    }
  }

  /** Whether the daemon ends. */
  boolean isDraining() {
    synchronized (lock) {
      return draining;
    }
  }

  /** The tasks that are not done, by name. */
  List<String> pending() {
    synchronized (lock) {
      return tasks.entrySet().stream()
          .filter(task -> task.getValue() instanceof Task.Pending)
          .map(Map.Entry::getKey)
          .toList();
    }
  }

  /**
   * A line for each task and for each part: {@code +} is well, {@code -} is missing or ill. Before
   * them one of the drain, if there is one.
   */
  String verbose() {
    SortedMap<String, Task> allTasks;
    SortedMap<String, Supplier<String>> allParts;
    String drain = "";
    long now = nanoTime.getAsLong();
    synchronized (lock) {
      if (draining) {
        drain = "[-] drain: for %s\n".formatted(duration(now - drainSinceNanos));
      }
      allTasks = new TreeMap<>(tasks);
      allParts = new TreeMap<>(watched);
    }
    var text = new StringBuilder(drain);
    allTasks.forEach(
        (name, task) ->
            text.append(
                switch (task) {
                  case Task.Done(long at) ->
                      "[+] %s: done after %s\n".formatted(name, duration(at - startNanos));
                  case Task.Pending(long since, String waitsFor) ->
                      "[-] %s: pending for %s%s\n"
                          .formatted(
                              name,
                              duration(now - since),
                              waitsFor.isEmpty() ? "" : ", waits for " + waitsFor);
                }));
    allParts.forEach(
        (name, problem) -> {
          String wrong = problem.get();
          text.append(
              wrong.isEmpty()
                  ? "[+] %s: well\n".formatted(name)
                  : "[-] %s: %s\n".formatted(name, wrong));
        });
    return text.toString();
  }

  /** As {@code 40.087053ms}: the largest unit of which there is at least one. */
  static String duration(long nanos) {
    if (nanos >= NANOS_PER_SECOND) {
      return of(nanos, 9) + "s";
    }
    if (nanos >= NANOS_PER_MILLI) {
      return of(nanos, 6) + "ms";
    }
    return nanos >= NANOS_PER_MICRO ? of(nanos, 3) + "µs" : nanos + "ns";
  }

  private static String of(long nanos, int decimals) {
    return BigDecimal.valueOf(nanos, decimals).stripTrailingZeros().toPlainString();
  }
}
