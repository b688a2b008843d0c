package io.ztunnel.routing;

import java.net.InetSocketAddress;
import java.util.Set;

/**
 * The ports on which the proxy itself listens in a pod: traffic to them would come back to it.
 * Immutable.
 */
public record ReservedPorts(Set<Integer> ports) {
  public ReservedPorts {
    ports = Set.copyOf(ports);
  }

  public boolean contains(int port) {
    return ports.contains(port);
  }

  /**
   * Whether an application that connects there would reach its own proxy. The address is resolved.
   */
  boolean isSelfCall(InetSocketAddress target) {
    return target.getAddress().isLoopbackAddress() && contains(target.getPort());
  }
}
