package io.ztunnel.mesh;

import org.jspecify.annotations.Nullable;

/** A hostname within a namespace: the key of a service. Immutable. */
public record NamespacedHostname(String namespace, String hostname)
    implements GatewayAddress.Destination {
  /** Reads {@code namespace/hostname}, split at the first slash; null when there is none. */
  public static @Nullable NamespacedHostname parse(String text) {
    int slash = text.indexOf('/');
    return slash < 0
        ? null
        : new NamespacedHostname(text.substring(0, slash), text.substring(slash + 1));
  }

  @Override
  public String toString() {
    return namespace + "/" + hostname;
  }
}
