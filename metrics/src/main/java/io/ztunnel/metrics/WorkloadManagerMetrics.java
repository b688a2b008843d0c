package io.ztunnel.metrics;

import io.micrometer.core.instrument.Counter;
import io.ztunnel.metrics.MetricFamily.Section;

/**
 * {@code workload_manager_*}: the pods whose traffic this node takes. Declared in shared mode only.
 * Written by the control thread, read by scrapes.
 */
public final class WorkloadManagerMetrics {
  private final Counter started;
  private final Counter stopped;
  private volatile int active;
  private volatile int pending;

  /** Declares the families, with samples from the start. */
  public WorkloadManagerMetrics(MeshRegistry registry) {
    FamilySeries activeCount =
        registry.declare(
            MetricFamily.gauge(
                Section.WORKLOAD_MANAGER,
                "workload_manager_active_proxy_count",
                "The total number current workloads with active proxies (unstable)."));
    activeCount.readGauge(LabelSet.NONE, () -> active);
    FamilySeries pendingCount =
        registry.declare(
            MetricFamily.gauge(
                Section.WORKLOAD_MANAGER,
                "workload_manager_pending_proxy_count",
                "The total number current workloads with pending proxies (unstable)."));
    pendingCount.readGauge(LabelSet.NONE, () -> pending);
    started =
        registry
            .declare(
                MetricFamily.counter(
                    Section.WORKLOAD_MANAGER,
                    "workload_manager_proxies_started",
                    "The total number of proxies that were started (unstable)."))
            .counter(LabelSet.NONE);
    stopped =
        registry
            .declare(
                MetricFamily.counter(
                    Section.WORKLOAD_MANAGER,
                    "workload_manager_proxies_stopped",
                    "The total number of proxies that were stopped (unstable)."))
            .counter(LabelSet.NONE);
  }

  /** How many pods have a running proxy. */
  public void active(int count) {
    active = count;
  }

  /** How many pods wait for another try. */
  public void pending(int count) {
    pending = count;
  }

  /** A pod's proxy was started. */
  public void proxyStarted() {
    started.increment();
  }

  /** A pod's proxy was stopped. */
  public void proxyStopped() {
    stopped.increment();
  }
}
