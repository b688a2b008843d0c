package io.ztunnel.hbone;

import java.util.List;
import java.util.Set;

/**
 * Of which trust domains the clients are that a server lets in: its own and aliases of it. All that
 * is finer is a matter of policy. Immutable.
 *
 * @param own that of the server's certificate
 * @param aliases others whose clients are let in
 */
public record AcceptedTrustDomains(String own, Set<String> aliases) {
  public AcceptedTrustDomains {
    aliases = Set.copyOf(aliases);
  }

  /**
   * Whether a client is let in.
   *
   * @param presented the URIs in its certificate, of which one SPIFFE identity is enough
   */
  public boolean accept(List<String> presented) {
    return presented.stream()
        .flatMap(san -> SpiffeId.parse(san).stream())
        .map(SpiffeId::trustDomain)
        .anyMatch(domain -> domain.equals(own) || aliases.contains(domain));
  }
}
