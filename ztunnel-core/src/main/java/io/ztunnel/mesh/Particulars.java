package io.ztunnel.mesh;

import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What is unusual about a workload: a uid that does not follow from its other pieces, or addresses
 * other than a single one of IPv4. Most have none of this. Immutable.
 */
final class Particulars {
  private static final int V4_BYTES = 4;
  private static final int V6_BYTES = 16;

  /** Null: it follows from the other pieces. */
  private final @Nullable String uid;

  /** One after the other: the length of an address, and its bytes. Null: as usual. */
  private final byte @Nullable [] addresses;

  private Particulars(@Nullable String uid, byte @Nullable [] addresses) {
    this.uid = uid;
    this.addresses = addresses;
  }

  /**
   * The particulars, or null if there are none.
   *
   * @param ips null: a single one of IPv4, or none
   */
  static @Nullable Particulars of(@Nullable String uid, @Nullable List<InetAddress> ips) {
    return uid == null && ips == null
        ? null
        : new Particulars(uid, ips == null ? null : packed(ips));
  }

  @Nullable String uid() {
    return uid;
  }

  /** The addresses; null: as usual. */
  @Nullable List<InetAddress> ips() {
    if (addresses == null) {
      return null;
    }
    List<InetAddress> ips = new ArrayList<>(2);
    for (int i = 0; i < addresses.length; i += 1 + addresses[i]) {
      ips.add(ip(Arrays.copyOfRange(addresses, i + 1, i + 1 + addresses[i])));
    }
    return ips;
  }

  static InetAddress ip(byte[] bytes) {
    try {
      return InetAddress.getByAddress(bytes);
    } catch (UnknownHostException e) {
      throw new IllegalStateException("an address of " + bytes.length + " bytes", e);
    }
  }

  private static byte[] packed(List<InetAddress> ips) {
    int length = 0;
    for (InetAddress ip : ips) {
      length += 1 + (ip instanceof Inet6Address ? V6_BYTES : V4_BYTES);
    }
    byte[] packed = new byte[length];
    int i = 0;
    for (InetAddress ip : ips) {
      byte[] bytes = ip.getAddress();
      packed[i] = (byte) bytes.length;
      System.arraycopy(bytes, 0, packed, i + 1, bytes.length);
      i += 1 + bytes.length;
    }
    return packed;
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof Particulars that
        && Objects.equals(uid, that.uid)
        && Arrays.equals(addresses, that.addresses);
  }

  @Override
  public int hashCode() {
    return 31 * Objects.hashCode(uid) + Arrays.hashCode(addresses);
  }
}
