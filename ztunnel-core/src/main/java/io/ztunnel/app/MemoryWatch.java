package io.ztunnel.app;

import io.netty.util.concurrent.EventExecutor;
import io.ztunnel.log.Log;
import io.ztunnel.proxy.Admission;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryType;
import java.lang.management.MemoryUsage;
import java.util.Comparator;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * Looks how much of the heap is alive, and has fewer connections taken before it is full: a JVM
 * without memory ends, and every pod of the node loses its connections.
 *
 * <p>What is alive is known after a collection alone. One is made when the heap seems full, so that
 * it is known in time, and again while memory is scarce, to see that it is not any more. Confined
 * to the control thread.
 */
final class MemoryWatch implements Runnable {
  /** The heap, in parts of its greatest size. */
  interface Heap {
    /** In use, garbage included. */
    double used();

    /** In use after the last full collection. */
    double alive();

    /** Makes a full collection. */
    void collect();
  }

  private static final long PERIOD_MILLIS = 250;

  /** From here on who has many connections gets no more. */
  private static final double SCARCE = 0.85;

  /** From here on nobody does: the rest is for what is under way. */
  private static final double NEARLY_FULL = 0.95;

  /** So much more is used than was alive before it is worth while to look again. */
  private static final double WORTH_A_LOOK = 0.05;

  private static final long SHORTEST_PAUSE_NANOS = TimeUnit.SECONDS.toNanos(2);
  private static final long LONGEST_PAUSE_NANOS = TimeUnit.SECONDS.toNanos(10);

  private static final Log LOG = Log.target("ztunnel");

  private final Heap heap;
  private final Admission admission;
  private final LongSupplier nanoTime;
  private long collectedNanos;

  MemoryWatch(Heap heap, Admission admission, LongSupplier nanoTime) {
    this.heap = heap;
    this.admission = admission;
    this.nanoTime = nanoTime;
    this.collectedNanos = nanoTime.getAsLong();
  }

  /** Watches the heap of this JVM until the thread ends, if its collector tells what is alive. */
  static void start(EventExecutor control, Admission admission) {
    ManagementFactory.getMemoryPoolMXBeans().stream()
        .filter(pool -> pool.getType() == MemoryType.HEAP)
        .filter(pool -> pool.getCollectionUsage() != null && pool.getUsage().getMax() > 0)
        .max(Comparator.comparingLong(pool -> pool.getUsage().getMax()))
        .map(old -> new MemoryWatch(new PoolHeap(old), admission, System::nanoTime))
        .ifPresent(
            watch ->
                control.scheduleWithFixedDelay(
                    watch, PERIOD_MILLIS, PERIOD_MILLIS, TimeUnit.MILLISECONDS));
  }

  /** The old generation, where all ends up that stays. */
  private record PoolHeap(MemoryPoolMXBean pool) implements Heap {
    @Override
    public double used() {
      return part(pool.getUsage());
    }

    @Override
    public double alive() {
      return part(pool.getCollectionUsage());
    }

    private static double part(MemoryUsage usage) {
      return (double) usage.getUsed() / usage.getMax();
    }

    @Override
    public void collect() {
      System.gc();
    }
  }

  @Override
  public void run() {
    if (isLookWorthWhile()) {
      heap.collect();
      collectedNanos = nanoTime.getAsLong();
    }
    double alive = heap.alive();
    Admission.Level now =
        alive >= NEARLY_FULL
            ? Admission.Level.NOBODY
            : alive >= SCARCE ? Admission.Level.MODEST : Admission.Level.EVERYBODY;
    if (now != admission.level()) {
      admission.set(now);
      tell(now, alive);
    }
  }

  private boolean isLookWorthWhile() {
    double used = heap.used();
    long since = nanoTime.getAsLong() - collectedNanos;
    return used >= SCARCE
        && since >= SHORTEST_PAUSE_NANOS
        && (used >= heap.alive() + WORTH_A_LOOK
            || (admission.level() != Admission.Level.EVERYBODY && since >= LONGEST_PAUSE_NANOS));
  }

  private static void tell(Admission.Level level, double alive) {
    String heapIs = "%.0f %% of the heap are in use, ".formatted(100 * alive);
    switch (level) {
      case EVERYBODY -> LOG.info(heapIs + "new connections are taken of all pods again");
      case MODEST ->
          LOG.warn(heapIs + "new connections are taken of pods with few alone (ZTUNNEL_MAX_HEAP)");
      case NOBODY -> LOG.error(heapIs + "no new connections are taken (ZTUNNEL_MAX_HEAP)");
    }
  }
}
