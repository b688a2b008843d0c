package io.ztunnel.mesh;

/** How a service is reported in logs and metrics. Immutable. */
public record ServiceName(String name, String namespace, String hostname) {
  /** The key it is stored under. */
  public NamespacedHostname key() {
    return new NamespacedHostname(namespace, hostname);
  }
}
