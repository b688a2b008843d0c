package io.ztunnel.dns;

/**
 * What an OPT record says of its sender (RFC 6891, 6.1.2). Immutable.
 *
 * @param payloadBytes the largest datagram it takes
 * @param dnssecOk whether it wants signatures (RFC 3225)
 */
record Edns(int payloadBytes, int version, boolean dnssecOk) {
  /** Smaller ones count as this (RFC 6891, 6.2.3). */
  static final int MIN_PAYLOAD_BYTES = 512;

  /** What we say of ourselves: it fits into every packet of IPv6. */
  static final Edns OURS = new Edns(1232, 0, false);

  private static final int DNSSEC_OK = 0x8000;

  /** The OPT record's class and TTL hold the fields. */
  static Edns of(int dnsClass, long ttl) {
    return new Edns(dnsClass, (int) (ttl >> 16) & 0xff, (ttl & DNSSEC_OK) != 0);
  }

  /** The upper bits of a response's code. */
  static int extendedCode(long ttl) {
    return (int) (ttl >> 24) & 0xff;
  }

  long ttl() {
    return (long) version << 16 | (dnssecOk ? DNSSEC_OK : 0);
  }

  /** What a response to this sender says. */
  Edns answering() {
    return new Edns(Math.max(MIN_PAYLOAD_BYTES, payloadBytes), version, dnssecOk);
  }
}
