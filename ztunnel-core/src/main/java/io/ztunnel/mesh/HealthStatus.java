package io.ztunnel.mesh;

/** Whether a workload is ready for traffic, as the control plane sees it. */
public enum HealthStatus implements Spelled {
  HEALTHY("Healthy"),
  UNHEALTHY("Unhealthy");

  private final String text;

  HealthStatus(String text) {
    this.text = text;
  }

  @Override
  public String text() {
    return text;
  }
}
