package io.ztunnel.routing;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * A server that a gateway lets clients of other networks reach by TLS, which it does not end: they
 * name it in their ClientHello (RFC 6066, 3). Immutable.
 *
 * @param port where the gateway listens
 * @param host the server, as it was configured
 * @param targetPort its port
 * @param names what clients may ask for, in lower case; a service of a cluster has several
 */
public record TlsPassthrough(int port, String host, int targetPort, List<String> names) {
  private static final int MAX_PORT = 65_535;
  private static final int MAX_HOST = 253; // RFC 1035, 2.3.4
  private static final Pattern HOST =
      Pattern.compile("[a-z0-9_]([a-z0-9_-]*[a-z0-9])?(\\.[a-z0-9_]([a-z0-9_-]*[a-z0-9])?)*");

  /** Has {@code name.namespace.svc} and what may follow. */
  private static final Pattern SERVICE = Pattern.compile("([^.]+\\.[^.]+)\\.svc(\\..+)?");

  public TlsPassthrough {
    names = List.copyOf(names);
  }

  /**
   * Reads a list of {@code port:host:port} with commas between them; the empty text stands for
   * none.
   *
   * @param clusterDomain what completes the names of services
   */
  public static List<TlsPassthrough> parse(String text, String clusterDomain) {
    List<TlsPassthrough> all = new ArrayList<>();
    if (text.isBlank()) {
      return all;
    }
    Set<String> taken = new HashSet<>();
    for (String each : text.split(",", -1)) {
      TlsPassthrough one = parseOne(each.strip(), clusterDomain);
      for (String name : one.names) {
        if (!taken.add(one.port + ":" + name)) {
          throw new IllegalArgumentException(
              "%s twice on port %d (expected: one target for each name and port)"
                  .formatted(name, one.port));
        }
      }
      all.add(one);
    }
    return all;
  }

  private static TlsPassthrough parseOne(String text, String clusterDomain) {
    String[] parts = text.toLowerCase(Locale.ROOT).split(":", -1);
    if (parts.length != 3 || parts[1].length() > MAX_HOST || !HOST.matcher(parts[1]).matches()) {
      throw new IllegalArgumentException(
          "expected: port:host:port, as in 15012:istiod.istio-system.svc:15012");
    }
    return new TlsPassthrough(
        port(parts[0]), parts[1], port(parts[2]), names(parts[1], clusterDomain));
  }

  private static int port(String text) {
    if (text.matches("[0-9]{1,5}")) {
      int port = Integer.parseInt(text);
      if (port >= 1 && port <= MAX_PORT) {
        return port;
      }
    }
    throw new IllegalArgumentException("port " + text + ", expected: 1-65535");
  }

  /** As configured first; then the other ways to name a service of this cluster. */
  private static List<String> names(String host, String clusterDomain) {
    var service = SERVICE.matcher(host);
    String domain = "." + clusterDomain.toLowerCase(Locale.ROOT);
    if (!service.matches() || (service.group(2) != null && !service.group(2).equals(domain))) {
      return List.of(host);
    }
    String name = service.group(1);
    return List.of(host, name + ".svc" + domain, name + ".svc", name).stream().distinct().toList();
  }

  @Override
  public String toString() {
    return port + ":" + host + ":" + targetPort;
  }
}
