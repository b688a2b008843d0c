package io.ztunnel.hbone;

import io.netty.util.NetUtil;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Where a CONNECT wants to go, as its {@code :authority} says (RFC 9113, 8.5; Istio). A numeric
 * address is tried first; anything else must be a host name and a port. Immutable.
 */
public sealed interface Authority {
  /** The port, 0 to 65,535: the wire does not forbid 0. */
  int port();

  /** {@code 1.2.3.4:80} or {@code [::1]:80}. */
  record Address(InetAddress ip, int port) implements Authority {
    public Address {
      requirePort(port);
    }

    /** The address as a socket address. */
    public InetSocketAddress socketAddress() {
      return new InetSocketAddress(ip, port);
    }

    @Override
    public String toString() {
      return NetUtil.toSocketAddressString(socketAddress());
    }
  }

  /** {@code name:80}, the name as it was written. */
  record Host(String name, int port) implements Authority {
    public Host {
      requirePort(port);
      if (!isHostName(name)) {
        throw new IllegalArgumentException(
            "host: " + name + " (expected: letters, digits, '-', '.', '_', 1-253 of them)");
      }
    }

    @Override
    public String toString() {
      return name + ":" + port;
    }
  }

  /** Reads an authority; empty when it has no port, or is not one at all. */
  static Optional<Authority> parse(String text) {
    int colon = text.lastIndexOf(':');
    if (colon < 1) {
      return Optional.empty();
    }
    int port = parsePort(text, colon + 1);
    if (port < 0) {
      return Optional.empty();
    }
    String host = text.substring(0, colon);
    if (host.startsWith("[")) {
      return host.endsWith("]")
          ? Optional.ofNullable(address(ipv6(host.substring(1, host.length() - 1)), port))
          : Optional.empty();
    }
    byte @Nullable [] ipv4 = ipv4(host);
    if (ipv4 != null) {
      return Optional.ofNullable(address(ipv4, port));
    }
    return isHostName(host) ? Optional.of(new Host(host, port)) : Optional.empty();
  }

  private static @Nullable Authority address(byte @Nullable [] ip, int port) {
    if (ip == null) {
      return null;
    }
    try {
      return new Address(InetAddress.getByAddress(ip), port);
    } catch (UnknownHostException e) {
      throw new IllegalStateException("an address of " + ip.length + " bytes", e);
    }
  }

  /** Four decimal numbers and nothing else; no leading zeros, which some read as octal. */
  private static byte @Nullable [] ipv4(String host) {
    String[] parts = host.split("\\.", -1);
    if (parts.length != 4) {
      return null;
    }
    byte[] bytes = new byte[4];
    for (int i = 0; i < 4; i++) {
      String part = parts[i];
      int value = parts[i].length() > 3 ? -1 : parseDigits(part, 0);
      if (value < 0 || value > 255 || (part.length() > 1 && part.charAt(0) == '0')) {
        return null;
      }
      bytes[i] = (byte) value;
    }
    return bytes;
  }

  private static byte @Nullable [] ipv6(String host) {
    // A zone means something on one machine only.
    return host.indexOf('%') < 0 && NetUtil.isValidIpV6Address(host) && !host.startsWith("[")
        ? NetUtil.createByteArrayFromIpAddressString(host)
        : null;
  }

  private static int parsePort(String text, int from) {
    int port = text.length() - from > 5 ? -1 : parseDigits(text, from);
    return port > 65_535 ? -1 : port;
  }

  /** The number that the rest of the text is, or -1. */
  private static int parseDigits(String text, int from) {
    if (from >= text.length()) {
      return -1;
    }
    int value = 0;
    for (int i = from; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c < '0' || c > '9') {
        return -1;
      }
      value = value * 10 + (c - '0');
    }
    return value;
  }

  private static boolean isHostName(String name) {
    if (name.isEmpty() || name.length() > 253) {
      return false;
    }
    for (int i = 0; i < name.length(); i++) {
      char c = name.charAt(i);
      boolean allowed =
          (c >= 'a' && c <= 'z')
              || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9')
              || c == '-'
              || c == '.'
              || c == '_';
      if (!allowed) {
        return false;
      }
    }
    return true;
  }

  private static void requirePort(int port) {
    if (port < 0 || port > 65_535) {
      throw new IllegalArgumentException("port: " + port + " (expected: 0-65535)");
    }
  }
}
