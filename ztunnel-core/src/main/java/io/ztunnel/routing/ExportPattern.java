package io.ztunnel.routing;

import java.util.regex.Pattern;

/**
 * Services by namespace and host name, in each of which {@code *} stands for any text: {@code
 * shop/*}, <code>*&#47;*.api.svc.cluster.local</code>. Immutable.
 */
public record ExportPattern(String namespace, String host) {
  private static final Pattern PART = Pattern.compile("[A-Za-z0-9*._-]+");

  public ExportPattern {
    if (!PART.matcher(namespace).matches() || !PART.matcher(host).matches()) {
      throw new IllegalArgumentException("expected: namespace/host, * for any text");
    }
  }

  /** Reads {@code namespace/host}. */
  static ExportPattern parse(String text) {
    int slash = text.indexOf('/');
    if (slash < 0) {
      throw new IllegalArgumentException("expected: namespace/host, * for any text");
    }
    return new ExportPattern(text.substring(0, slash), text.substring(slash + 1));
  }

  boolean matches(String itsNamespace, String hostname) {
    return fits(namespace, itsNamespace) && fits(host, hostname);
  }

  /** Whether a text fits a pattern, by the greedy way with one place to go back to. */
  private static boolean fits(String pattern, String text) {
    int p = 0;
    int t = 0;
    int star = -1;
    int starText = 0;
    while (t < text.length()) {
      if (p < pattern.length() && pattern.charAt(p) == '*') {
        star = p++;
        starText = t;
      } else if (p < pattern.length() && pattern.charAt(p) == text.charAt(t)) {
        p++;
        t++;
      } else if (star >= 0) {
        p = star + 1;
        t = ++starText;
      } else {
        return false;
      }
    }
    while (p < pattern.length() && pattern.charAt(p) == '*') {
      p++;
    }
    return p == pattern.length();
  }

  @Override
  public String toString() {
    return namespace + "/" + host;
  }
}
