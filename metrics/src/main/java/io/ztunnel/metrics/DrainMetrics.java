package io.ztunnel.metrics;

import io.micrometer.core.instrument.Counter;
import io.ztunnel.metrics.MetricFamily.Section;
import java.util.function.IntSupplier;

/** What the end of proxies waits for, and what it had to cut. Any thread records. */
public final class DrainMetrics {
  private final Counter cut;

  /**
   * Declares the families, with samples from the start.
   *
   * @param left how many connections drains wait for now; read by scrapes
   */
  public DrainMetrics(MeshRegistry registry, IntSupplier left) {
    registry
        .declare(
            MetricFamily.gauge(
                Section.RUNTIME,
                "ztunnel_drain_connections_left",
                "Connections that proxies which end still carry (unstable)"))
        .readGauge(LabelSet.NONE, left::getAsInt);
    cut =
        registry
            .declare(
                MetricFamily.counter(
                    Section.RUNTIME,
                    "ztunnel_drain_connections_cut",
                    "Connections cut because the time of a graceful end was over (unstable)"))
            .counter(LabelSet.NONE);
  }

  /** So many connections were left at the deadline. */
  public void cut(int connections) {
    cut.increment(connections);
  }
}
