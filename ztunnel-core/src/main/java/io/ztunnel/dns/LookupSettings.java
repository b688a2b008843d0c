package io.ztunnel.dns;

import org.jspecify.annotations.Nullable;

/**
 * How names are looked up in the mesh. Immutable.
 *
 * @param clusterDomain in lower case, without a last dot
 * @param preferredNamespace wins between services of one name, where nothing else decides
 * @param ipv6 whether IPv6 addresses are given out
 */
public record LookupSettings(
    String clusterDomain,
    @Nullable String preferredNamespace,
    boolean ipv6,
    SearchDomains searchDomains) {
  public LookupSettings {
    clusterDomain = SearchDomains.normal(clusterDomain);
  }
}
