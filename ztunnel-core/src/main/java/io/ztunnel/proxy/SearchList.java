package io.ztunnel.proxy;

import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * What host names may be short for, as resolv.conf(5) has it. Immutable.
 *
 * @param domains in the order in which they are tried
 * @param ndots dots a name must have to be tried as it is first
 */
public record SearchList(List<String> domains, int ndots) {
  /** Each name is whole. */
  public static final SearchList NONE = new SearchList(List.of(), 0);

  public SearchList {
    domains = List.copyOf(domains);
    if (ndots < 0) {
      throw new IllegalArgumentException("ndots: " + ndots + " (expected: >= 0)");
    }
  }

  /** The names to ask for, in order. */
  List<String> names(String hostname) {
    if (hostname.endsWith(".")) {
      return List.of(hostname);
    }
    Set<String> names = new LinkedHashSet<>();
    if (hostname.chars().filter(c -> c == '.').count() >= ndots) {
      names.add(hostname);
    }
    for (String domain : domains) {
      // The root is a domain too, as on nodes with systemd-resolved.
      names.add(domain.equals(".") ? hostname : hostname + "." + domain);
    }
    names.add(hostname);
    return List.copyOf(names);
  }
}
