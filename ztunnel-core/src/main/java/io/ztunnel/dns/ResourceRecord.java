package io.ztunnel.dns;

import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * One record of a response (RFC 1035, 4.1.3). Its data hold no pointers into the message that they
 * came in. Immutable.
 */
final class ResourceRecord {
  private final DomainName name;
  private final int type;
  private final int dnsClass;
  private final long ttlSeconds;
  private final byte[] data;

  /** Takes the data over. */
  ResourceRecord(DomainName name, int type, int dnsClass, long ttlSeconds, byte[] data) {
    this.name = name;
    this.type = type;
    this.dnsClass = dnsClass;
    this.ttlSeconds = ttlSeconds;
    this.data = data;
  }

  static ResourceRecord address(DomainName name, InetAddress address, long ttlSeconds) {
    return new ResourceRecord(
        name,
        address instanceof Inet6Address ? RecordType.AAAA : RecordType.A,
        Question.IN,
        ttlSeconds,
        address.getAddress());
  }

  static ResourceRecord alias(DomainName name, DomainName target, long ttlSeconds) {
    return pointing(name, RecordType.CNAME, target, ttlSeconds);
  }

  /** A record whose data are one name. */
  static ResourceRecord pointing(DomainName name, int type, DomainName target, long ttlSeconds) {
    byte[] data = new byte[target.length()];
    target.copyTo(data, 0);
    return new ResourceRecord(name, type, Question.IN, ttlSeconds, data);
  }

  DomainName name() {
    return name;
  }

  int type() {
    return type;
  }

  int dnsClass() {
    return dnsClass;
  }

  long ttlSeconds() {
    return ttlSeconds;
  }

  int dataLength() {
    return data.length;
  }

  void copyDataTo(byte[] target, int offset) {
    System.arraycopy(data, 0, target, offset, data.length);
  }

  ResourceRecord withTtl(long seconds) {
    return new ResourceRecord(name, type, dnsClass, seconds, data);
  }

  /** The name that it points to; for types whose data are one name. */
  DomainName target() {
    return DomainName.ofWire(data.clone());
  }

  /** The address of an A or AAAA record; null for others, and for one of the wrong length. */
  @Nullable InetAddress address() {
    boolean right =
        (type == RecordType.A && data.length == 4)
            || (type == RecordType.AAAA && data.length == 16);
    try {
      return right ? InetAddress.getByAddress(data) : null;
    } catch (UnknownHostException e) {
      throw new IllegalStateException(e); // the length is right
    }
  }

  /** For how long an absence may be remembered; for SOA records (RFC 2308, 5). */
  long negativeTtlSeconds() {
    int at = data.length - 4; // MINIMUM is the last of five numbers
    long minimum =
        (data[at] & 0xffL) << 24
            | (data[at + 1] & 0xffL) << 16
            | (data[at + 2] & 0xffL) << 8
            | (data[at + 3] & 0xffL);
    return Math.min(ttlSeconds, minimum);
  }

  /** About how much memory it takes. */
  int weightBytes() {
    return 96 + name.length() + data.length;
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof ResourceRecord that
        && name.equals(that.name)
        && type == that.type
        && dnsClass == that.dnsClass
        && ttlSeconds == that.ttlSeconds
        && Arrays.equals(data, that.data);
  }

  @Override
  public int hashCode() {
    return 31 * name.hashCode() + Arrays.hashCode(data);
  }

  @Override
  public String toString() {
    InetAddress address = address();
    return "%s %d %s %s"
        .formatted(
            name,
            ttlSeconds,
            RecordType.name(type),
            address != null
                ? address.getHostAddress()
                : type == RecordType.CNAME || type == RecordType.PTR
                    ? target()
                    : data.length + " bytes");
  }
}
