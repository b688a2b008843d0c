package io.ztunnel.metrics;

import io.ztunnel.metrics.MetricFamily.Section;

/** {@code istio_build}: which Istio version the proxy was deployed as. */
public final class BuildMetrics {
  private BuildMetrics() {}

  /** Declares the family with its one sample, 1. */
  public static void register(MeshRegistry registry, String istioVersion) {
    FamilySeries build =
        registry.declare(
            MetricFamily.gauge(
                Section.ISTIO, "istio_build", "Istio component build info.", "component", "tag"));
    build.readGauge(build.labels("ztunnel", istioVersion), () -> 1);
  }
}
