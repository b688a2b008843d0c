package io.ztunnel.routing;

import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.Workload;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Which services a gateway serves to other networks. Immutable. */
public sealed interface Exports {
  /**
   * Those that are seen to be of several networks, for the control plane does not say which are: a
   * service with an address in another network, with endpoints behind another network's gateway, or
   * with identities of such endpoints.
   */
  record Global() implements Exports {
    /** By what a service is seen to be of several networks. */
    private enum Sign {
      ADDRESS("it has an address in another network"),
      IDENTITIES("it has identities of endpoints in another network"),
      ENDPOINTS("it has endpoints behind another network's gateway");

      private final String text;

      Sign(String text) {
        this.text = text;
      }
    }

    @Override
    public boolean contains(Service service, String network) {
      return sign(service, network) != null;
    }

    @Override
    public String reason(Service service, String network) {
      Sign sign = sign(service, network);
      return sign == null ? "nothing of it is seen in another network" : sign.text;
    }

    private static @Nullable Sign sign(Service service, String network) {
      if (service.vips().stream().anyMatch(vip -> !vip.network().equals(network))) {
        return Sign.ADDRESS;
      }
      if (hasIdentitiesOfPods(service)) {
        return Sign.IDENTITIES;
      }
      return hasEndpointsElsewhere(service, network) ? Sign.ENDPOINTS : null;
    }

    /** Pods of a service are of its namespace; other names are those of a ServiceEntry (Istio). */
    private static boolean hasIdentitiesOfPods(Service service) {
      return service.peers().identities().stream()
          .anyMatch(
              identity ->
                  SpiffeId.parse(identity)
                      .filter(id -> id.namespace().equals(service.namespace()))
                      .isPresent());
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
      return match(service) != null;
    }

    @Override
    public String reason(Service service, String network) {
      ExportPattern pattern = match(service);
      return pattern == null
          ? "no pattern of GATEWAY_EXPORTS matches"
          : "pattern " + pattern + " matches";
    }

    private @Nullable ExportPattern match(Service service) {
      for (ExportPattern pattern : patterns) {
        if (pattern.matches(service.namespace(), service.hostname())) {
          return pattern;
        }
      }
      return null;
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

  /** Why it is served, or is not, for people. */
  String reason(Service service, String network);

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
