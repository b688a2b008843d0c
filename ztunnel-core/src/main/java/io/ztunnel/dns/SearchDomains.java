package io.ztunnel.dns;

import io.ztunnel.mesh.Workload;
import java.util.List;
import java.util.Locale;

/**
 * What a client's resolver may have put behind a name. Immutable.
 *
 * <p>Domains are in lower case and without a last dot.
 */
public sealed interface SearchDomains {
  /** Those that Kubernetes gives to each pod: of its namespace, of services, of the cluster. */
  record OfNamespace() implements SearchDomains {}

  /** Those of the machine that the proxy shares with its one client. */
  record Listed(List<String> domains) implements SearchDomains {
    public Listed {
      domains = domains.stream().map(SearchDomains::normal).toList();
    }
  }

  /** In the order in which they are tried. */
  default List<String> of(Workload client, String clusterDomain) {
    return switch (this) {
      case OfNamespace _ ->
          List.of(
              client.namespace() + ".svc." + clusterDomain, "svc." + clusterDomain, clusterDomain);
      case Listed(List<String> domains) -> domains;
    };
  }

  /** A domain as names are compared. */
  static String normal(String domain) {
    String lower = domain.toLowerCase(Locale.ROOT);
    return lower.endsWith(".") ? lower.substring(0, lower.length() - 1) : lower;
  }
}
