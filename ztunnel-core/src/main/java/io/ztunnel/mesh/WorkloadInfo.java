package io.ztunnel.mesh;

/** How the node agent names a pod to its proxy. Immutable. */
public record WorkloadInfo(String name, String namespace, String serviceAccount) {
  /** As errors name it. */
  @Override
  public String toString() {
    return "%s.%s (%s)".formatted(serviceAccount, namespace, name);
  }
}
