package io.ztunnel.metrics;

import io.ztunnel.metrics.MetricFamily.Section;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.util.function.DoubleSupplier;
import java.util.function.IntSupplier;
import java.util.function.LongSupplier;

/**
 * What the operator of this runtime wants to see beside the mesh: memory, garbage collection, and
 * how the event loops keep up. Values are asked for at scrape time, on the scraping thread.
 */
public final class RuntimeMetrics {
  private final FamilySeries pendingTasks;
  private final FamilySeries lag;

  /**
   * Declares the families.
   *
   * @param directMemory bytes of direct memory that the network buffers hold
   */
  public RuntimeMetrics(MeshRegistry registry, LongSupplier directMemory) {
    Runtime runtime = Runtime.getRuntime();
    gauge(
        registry,
        "jvm_memory_heap_used_bytes",
        "Heap in use, garbage included (unstable)",
        () -> (double) runtime.totalMemory() - runtime.freeMemory());
    gauge(
        registry,
        "jvm_memory_heap_committed_bytes",
        "Heap obtained from the system (unstable)",
        runtime::totalMemory);
    gauge(
        registry,
        "jvm_memory_heap_max_bytes",
        "The most the heap may grow to (unstable)",
        runtime::maxMemory);
    gauge(
        registry,
        "ztunnel_direct_memory_bytes",
        "Direct memory held by network buffers (unstable)",
        directMemory::getAsLong);
    collections(registry);
    pendingTasks =
        registry.declare(
            MetricFamily.gauge(
                Section.RUNTIME,
                "ztunnel_event_loop_pending_tasks",
                "Tasks waiting on an event loop (unstable)",
                "loop"));
    lag =
        registry.declare(
            MetricFamily.gauge(
                Section.RUNTIME,
                "ztunnel_event_loop_lag_seconds",
                "The latest a timer of an event loop fired in the last half minute (unstable)",
                "loop"));
  }

  /** Adds the samples of one event loop. */
  public void eventLoop(String name, IntSupplier pending, DoubleSupplier lagSeconds) {
    pendingTasks.readGauge(pendingTasks.labels(name), pending::getAsInt);
    lag.readGauge(lag.labels(name), lagSeconds);
  }

  private static void gauge(MeshRegistry registry, String name, String help, DoubleSupplier value) {
    registry
        .declare(MetricFamily.gauge(Section.RUNTIME, name, help))
        .readGauge(LabelSet.NONE, value);
  }

  private static void collections(MeshRegistry registry) {
    FamilySeries count =
        registry.declare(
            MetricFamily.counter(
                Section.RUNTIME,
                "jvm_gc_collections",
                "Garbage collections (unstable)",
                "collector"));
    FamilySeries seconds =
        registry.declare(
            MetricFamily.counter(
                Section.RUNTIME,
                "jvm_gc_seconds",
                "Time spent in garbage collection (unstable)",
                "collector"));
    for (GarbageCollectorMXBean collector : ManagementFactory.getGarbageCollectorMXBeans()) {
      LabelSet labels = count.labels(collector.getName());
      count.readCounter(labels, collector::getCollectionCount);
      seconds.readCounter(labels, () -> collector.getCollectionTime() / 1000.0);
    }
  }
}
