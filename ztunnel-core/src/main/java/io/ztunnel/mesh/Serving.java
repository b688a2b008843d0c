package io.ztunnel.mesh;

import java.util.Collections;
import java.util.Map;
import java.util.TreeMap;

/**
 * What a workload serves, and how well. Immutable.
 *
 * @param services the services it belongs to, and where it serves their ports
 * @param capacity its weight among the endpoints of a service; 0: never chosen
 */
record Serving(Map<NamespacedHostname, PortMap> services, HealthStatus status, long capacity) {
  static final long MAX_CAPACITY = 0xffff_ffffL;

  Serving {
    if (capacity < 0 || capacity > MAX_CAPACITY) {
      throw new IllegalArgumentException("capacity: " + capacity + " (expected: 0-4294967295)");
    }
    services = Map.copyOf(services);
  }

  /** The services in the order of their text, for display. */
  Map<String, PortMap> sorted() {
    TreeMap<String, PortMap> sorted = new TreeMap<>();
    services.forEach((key, ports) -> sorted.put(key.toString(), ports));
    return Collections.unmodifiableMap(sorted);
  }
}
