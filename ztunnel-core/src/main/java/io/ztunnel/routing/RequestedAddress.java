package io.ztunnel.routing;

import io.ztunnel.mesh.IpText;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import org.jspecify.annotations.Nullable;

/** The authority of a CONNECT: an address or a hostname, and always a port. Immutable. */
public sealed interface RequestedAddress {
  int MAX_PORT = 65535;

  int port();

  /** {@code 1.2.3.4:80} or {@code [::1]:80}. */
  record Numeric(InetSocketAddress address) implements RequestedAddress {
    @Override
    public int port() {
      return address.getPort();
    }

    @Override
    public String toString() {
      return IpText.of(address);
    }
  }

  /** {@code host:port}. */
  record Named(String hostname, int port) implements RequestedAddress {
    @Override
    public String toString() {
      return hostname + ":" + port;
    }
  }

  /** Reads an authority; null for anything else, above all one without a port. */
  static @Nullable RequestedAddress parse(String authority) {
    int colon = authority.lastIndexOf(':');
    int port = colon < 0 ? -1 : port(authority.substring(colon + 1));
    if (port < 0) {
      return null;
    }
    String host = authority.substring(0, colon);
    boolean bracketed = host.startsWith("[") && host.endsWith("]");
    InetAddress ip = IpText.parse(bracketed ? host.substring(1, host.length() - 1) : host);
    if (ip != null) {
      return bracketed == host.contains(":") ? new Numeric(new InetSocketAddress(ip, port)) : null;
    }
    return isHostname(host) ? new Named(host, port) : null;
  }

  private static int port(String text) {
    boolean digits =
        !text.isEmpty() && text.length() <= 5 && text.chars().allMatch(c -> c >= '0' && c <= '9');
    int port = digits ? Integer.parseInt(text) : -1;
    return port <= MAX_PORT ? port : -1;
  }

  private static boolean isHostname(String host) {
    return !host.isEmpty()
        && host.chars()
            .allMatch(
                c ->
                    (c >= 'a' && c <= 'z')
                        || (c >= 'A' && c <= 'Z')
                        || (c >= '0' && c <= '9')
                        || c == '-'
                        || c == '.'
                        || c == '_');
  }
}
