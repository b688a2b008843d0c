package io.ztunnel.routing;

import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.Workload;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/** Which services a gateway serves to other networks. Immutable. */
public sealed interface Exports {
  /**
   * Those that are seen to be of several networks, for the control plane does not say which are: a
   * service with an address in another network, with endpoints behind another network's gateway, or
   * with identities of such endpoints.
   */
  record Global() implements Exports {
    @Override
    public boolean contains(Service service, String network) {
      return service.vips().stream().anyMatch(vip -> !vip.network().equals(network))
          || !service.subjectAltNames().isEmpty()
          || hasEndpointsElsewhere(service, network);
    }

    private static boolean hasEndpointsElsewhere(Service service, String network) {
      boolean[] found = new boolean[1];
      service.endpoints().forEachWorkload(workload -> found[0] |= isElsewhere(workload, network));
      return found[0];
    }

    private static boolean isElsewhere(Workload workload, String network) {
      return !workload.network().equals(network) && workload.networkGateway() != null;
    }

    @Override
    public String toString() {
      return "";
    }
  }

  /** Those that match one of these patterns, whatever is seen of them. */
  record Listed(List<ExportPattern> patterns) implements Exports {
    public Listed {
      patterns = List.copyOf(patterns);
      if (patterns.isEmpty()) {
        throw new IllegalArgumentException("patterns: none (expected: one at least)");
      }
    }

    @Override
    public boolean contains(Service service, String network) {
      return patterns.stream()
          .anyMatch(pattern -> pattern.matches(service.namespace(), service.hostname()));
    }

    @Override
    public String toString() {
      return patterns.stream().map(ExportPattern::toString).collect(Collectors.joining(","));
    }
  }

  /**
   * Whether this service is served.
   *
   * @param network the gateway's own
   */
  boolean contains(Service service, String network);

  /**
   * Reads a list of patterns with commas between them; the empty text stands for the global ones.
   */
  static Exports parse(String text) {
    if (text.isBlank()) {
      return new Global();
    }
    List<ExportPattern> patterns = new ArrayList<>();
    for (String pattern : text.split(",", -1)) {
      patterns.add(ExportPattern.parse(pattern.strip()));
    }
    return new Listed(patterns);
  }
}
