package io.ztunnel.explain;

import java.util.Set;

/**
 * What an explainer needs to know of the configuration. Immutable.
 *
 * @param network the network of this node
 * @param onDemand whether a real connection has the control plane asked for what is not known
 * @param trustDomainAliases other trust domains whose clients are let in
 */
public record ExplainerSettings(String network, boolean onDemand, Set<String> trustDomainAliases) {
  public ExplainerSettings {
    trustDomainAliases = Set.copyOf(trustDomainAliases);
  }
}
