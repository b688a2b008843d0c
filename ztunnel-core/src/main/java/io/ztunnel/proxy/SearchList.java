package io.ztunnel.proxy;

import java.util.ArrayList;
import java.util.List;

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
    List<String> names = new ArrayList<>();
    for (String domain : domains) {
      names.add(hostname + "." + domain);
    }
    boolean wholeFirst = hostname.chars().filter(c -> c == '.').count() >= ndots;
    names.add(wholeFirst ? 0 : names.size(), hostname);
    return names;
  }
}
