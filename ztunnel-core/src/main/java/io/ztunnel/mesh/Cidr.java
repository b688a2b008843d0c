package io.ztunnel.mesh;

import java.net.InetAddress;
import org.jspecify.annotations.Nullable;

/**
 * A range of addresses. Host bits may be set: they are kept for display and do not take part in
 * matching (Istio). Addresses of one family are never in a range of the other. Immutable.
 */
public final class Cidr {
  private final InetAddress address;
  private final int length;
  private final boolean v6;
  private final long highMask;
  private final long lowMask;
  private final long high;
  private final long low;

  /**
   * A range.
   *
   * @param length the number of leading bits that count
   * @throws IllegalArgumentException when the length does not fit the family
   */
  public Cidr(InetAddress address, int length) {
    IpBits bits = IpBits.of(address);
    if (length < 0 || length > bits.length()) {
      throw new IllegalArgumentException(
          "prefix length: %d (expected: 0-%d)".formatted(length, bits.length()));
    }
    this.address = address;
    this.length = length;
    v6 = bits.v6();
    highMask = IpBits.highMask(length);
    lowMask = IpBits.lowMask(length);
    high = bits.high() & highMask;
    low = bits.low() & lowMask;
  }

  /** Reads {@code ip/length}; null for anything else. */
  public static @Nullable Cidr parse(String text) {
    int slash = text.indexOf('/');
    InetAddress address = slash < 0 ? null : IpText.parse(text.substring(0, slash));
    if (address == null) {
      return null;
    }
    long length = Decimal.parse(text.substring(slash + 1), IpBits.of(address).length());
    return length == Decimal.INVALID ? null : new Cidr(address, (int) length);
  }

  public InetAddress address() {
    return address;
  }

  public int length() {
    return length;
  }

  public boolean contains(IpBits ip) {
    return ip.v6() == v6 && (ip.high() & highMask) == high && (ip.low() & lowMask) == low;
  }

  /** The bits that count, the others cleared. */
  IpBits prefix() {
    return new IpBits(high, low, v6);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Cidr that && length == that.length && address.equals(that.address);
  }

  @Override
  public int hashCode() {
    return 31 * address.hashCode() + length;
  }

  @Override
  public String toString() {
    return IpText.of(address) + "/" + length;
  }
}
