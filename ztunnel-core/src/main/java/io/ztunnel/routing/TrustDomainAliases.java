package io.ztunnel.routing;

import io.ztunnel.hbone.SpiffeId;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * Trust domains that stand for our own where other clusters are meant: control planes write their
 * own trust domain into the identities of whatever runs over there (Istio), and its certificates
 * say another. Immutable.
 *
 * @param domains those whose identities only their own roots can vouch for
 */
public record TrustDomainAliases(Set<String> domains) {
  /** Identities are as they are told. */
  public static final TrustDomainAliases NONE = new TrustDomainAliases(Set.of());

  public TrustDomainAliases {
    domains = Collections.unmodifiableSortedSet(new TreeSet<>(domains)); // one order for all
  }

  /**
   * The identities, and those of the own trust domain in each alias of it too.
   *
   * @param own the caller's trust domain
   */
  List<String> with(List<String> identities, String own) {
    if (domains.isEmpty()) {
      return identities;
    }
    Set<String> all = new LinkedHashSet<>(identities);
    for (String identity : identities) {
      SpiffeId.parse(identity)
          .filter(id -> id.trustDomain().equals(own))
          .ifPresent(
              id ->
                  domains.stream()
                      .map(domain -> new SpiffeId(domain, id.namespace(), id.serviceAccount()))
                      .forEach(alias -> all.add(alias.toString())));
    }
    return List.copyOf(all);
  }
}
