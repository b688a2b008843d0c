package io.ztunnel.redirection;

import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.Arrays;

/** Addresses as the mesh knows them: an IPv4 address is never dressed up as IPv6. Stateless. */
public final class Addresses {
  private Addresses() {}

  /**
   * The same address and port, with an IPv4-mapped IPv6 address as plain IPv4. An address that is
   * not resolved stays as it is.
   */
  public static InetSocketAddress canonical(InetSocketAddress address) {
    InetAddress given = address.getAddress();
    if (given == null) {
      return address;
    }
    return new InetSocketAddress(canonical(given), address.getPort());
  }

  /** The same address, an IPv4-mapped one (RFC 4291, 2.5.5.2) as plain IPv4. */
  public static InetAddress canonical(InetAddress address) {
    return address instanceof Inet6Address v6 && isIpv4Mapped(v6.getAddress())
        ? ofBytes(Arrays.copyOfRange(v6.getAddress(), 12, 16))
        : address;
  }

  private static boolean isIpv4Mapped(byte[] bytes) {
    for (int i = 0; i < 10; i++) {
      if (bytes[i] != 0) {
        return false;
      }
    }
    return bytes[10] == -1 && bytes[11] == -1;
  }

  static InetAddress ofBytes(byte[] bytes) {
    try {
      return InetAddress.getByAddress(bytes);
    } catch (UnknownHostException e) {
      throw new IllegalArgumentException(
          "address of %d bytes (expected: 4 or 16)".formatted(bytes.length), e);
    }
  }
}
