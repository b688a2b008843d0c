package io.ztunnel.mesh;

import java.net.Inet6Address;
import java.net.InetAddress;
import java.nio.ByteBuffer;

/**
 * An IP address as two words, for comparing it with many prefixes without touching its bytes again.
 * An IPv4 address fills the upper half of {@code high}, so that prefixes of both families start at
 * the top bit. Immutable.
 */
public record IpBits(long high, long low, boolean v6) {
  static final int V4_LENGTH = 32;
  static final int V6_LENGTH = 128;

  public static IpBits of(InetAddress address) {
    ByteBuffer bytes = ByteBuffer.wrap(address.getAddress());
    return address instanceof Inet6Address
        ? new IpBits(bytes.getLong(), bytes.getLong(), true)
        : new IpBits((long) bytes.getInt() << V4_LENGTH, 0, false);
  }

  /** The length of an address of this family, in bits. */
  int length() {
    return v6 ? V6_LENGTH : V4_LENGTH;
  }

  /** This address with all but the first bits cleared. */
  IpBits masked(int prefixLength) {
    return new IpBits(high & highMask(prefixLength), low & lowMask(prefixLength), v6);
  }

  static long highMask(int prefixLength) {
    return prefixLength == 0 ? 0 : prefixLength >= Long.SIZE ? -1L : -1L << -prefixLength;
  }

  static long lowMask(int prefixLength) {
    return prefixLength <= Long.SIZE ? 0 : -1L << -prefixLength;
  }
}
