package io.ztunnel.mesh;

import java.util.Arrays;
import java.util.Collections;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Service ports and the target ports behind them. A target port of 0 means that each endpoint names
 * its own (Istio). Immutable.
 */
public final class PortMap {
  /** What {@link #target} answers for a port that is not in the map. */
  public static final int ABSENT = -1;

  public static final PortMap EMPTY = new PortMap(new int[0]);

  private static final int PORT_BITS = 16;

  /** Above a target port and 31 bits for the place of the pair. */
  private static final int SERVICE_SHIFT = PORT_BITS + 31;

  /** Service port above, target port below; sorted, unsigned. */
  private final int[] entries;

  private PortMap(int[] entries) {
    this.entries = entries;
  }

  /**
   * A map of these ports.
   *
   * @throws IllegalArgumentException when a port is not in 0-65535
   */
  public static PortMap of(Map<Integer, Integer> ports) {
    if (ports.isEmpty()) {
      return EMPTY;
    }
    int[] entries = new int[ports.size()];
    int i = 0;
    for (Map.Entry<Integer, Integer> port : new TreeMap<>(ports).entrySet()) {
      int service = Ports.checked("service port", port.getKey());
      entries[i++] = service << PORT_BITS | Ports.checked("target port", port.getValue());
    }
    return new PortMap(entries);
  }

  /**
   * The first pairs of two arrays, of service ports and target ports in 0-65535; of two with one
   * service port the later.
   */
  static PortMap of(int[] services, int[] targets, int size) {
    if (size == 0) {
      return EMPTY;
    }
    long[] inOrder = new long[size];
    for (int i = 0; i < size; i++) {
      inOrder[i] = ((long) services[i] << SERVICE_SHIFT) | ((long) i << PORT_BITS) | targets[i];
    }
    Arrays.sort(inOrder);
    int[] entries = new int[size];
    int kept = 0;
    for (int i = 0; i < size; i++) {
      int service = (int) (inOrder[i] >>> SERVICE_SHIFT);
      if (i + 1 == size || service != (int) (inOrder[i + 1] >>> SERVICE_SHIFT)) {
        entries[kept++] = (service << PORT_BITS) | ((int) inOrder[i] & Ports.MAX);
      }
    }
    return new PortMap(kept == size ? entries : Arrays.copyOf(entries, kept));
  }

  /** The target port of a service port, or {@link #ABSENT}. */
  public int target(int servicePort) {
    for (int entry : entries) {
      if (entry >>> PORT_BITS == servicePort) {
        return entry & Ports.MAX;
      }
    }
    return ABSENT;
  }

  public boolean contains(int servicePort) {
    return target(servicePort) != ABSENT;
  }

  /** The first service port, in numeric order, with this target; {@link #ABSENT} if none has it. */
  public int serviceOf(int targetPort) {
    for (int entry : entries) {
      if ((entry & Ports.MAX) == targetPort) {
        return entry >>> PORT_BITS;
      }
    }
    return ABSENT;
  }

  /** The same as a map in numeric order, for display. */
  public SortedMap<Integer, Integer> asMap() {
    TreeMap<Integer, Integer> map = new TreeMap<>();
    for (int entry : entries) {
      map.put(entry >>> PORT_BITS, entry & Ports.MAX);
    }
    return Collections.unmodifiableSortedMap(map);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof PortMap that && Arrays.equals(entries, that.entries);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(entries);
  }

  @Override
  public String toString() {
    return asMap().toString();
  }
}
