package io.ztunnel.mesh;

import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.function.Consumer;

/** Those who wait for a workload of this node to become known. Confined to the control thread. */
final class LocalWorkloadWaiters {
  private final Map<WorkloadInfo, Set<Waiter>> waiters = new HashMap<>();

  void add(Waiter waiter) {
    if (!waiter.cancelled) {
      waiters.computeIfAbsent(waiter.info, _ -> new LinkedHashSet<>()).add(waiter);
    }
  }

  void remove(Waiter waiter) {
    waiters.computeIfPresent(
        waiter.info,
        (_, others) -> {
          others.remove(waiter);
          return others.isEmpty() ? null : others;
        });
  }

  void onChange(MeshChange change) {
    if (waiters.isEmpty() || change.workloads().isEmpty()) {
      return;
    }
    for (WorkloadInfo info : List.copyOf(waiters.keySet())) {
      Workload workload = change.after().localWorkload(info);
      if (workload != null) {
        waiters.getOrDefault(info, Set.of()).forEach(waiter -> waiter.complete(workload));
        waiters.remove(info);
      }
    }
  }

  /** One who waits. Immutable but for its end. */
  static final class Waiter {
    private final WorkloadInfo info;
    private final Executor executor;
    private final Consumer<Workload> action;

    /** Written by whoever cancels, read by the control thread and the executor's. */
    private volatile boolean cancelled;

    Waiter(WorkloadInfo info, Executor executor, Consumer<Workload> action) {
      this.info = info;
      this.executor = executor;
      this.action = action;
    }

    void complete(Workload workload) {
      executor.execute(
          () -> {
            if (!cancelled) {
              action.accept(workload);
            }
          });
    }

    void cancel() {
      cancelled = true;
    }
  }
}
