package io.ztunnel.dns;

import java.util.Locale;
import java.util.Map;

/** Numbers of record types (IANA, Domain Name System Parameters) and their names. Stateless. */
final class RecordType {
  static final int A = 1;
  static final int NS = 2;
  static final int CNAME = 5;
  static final int SOA = 6;
  static final int PTR = 12;
  static final int MX = 15;
  static final int TXT = 16;
  static final int AAAA = 28;
  static final int SRV = 33;
  static final int OPT = 41;
  static final int ANY = 255;

  private static final Map<Integer, String> NAMES =
      Map.ofEntries(
          Map.entry(A, "A"),
          Map.entry(NS, "NS"),
          Map.entry(CNAME, "CNAME"),
          Map.entry(SOA, "SOA"),
          Map.entry(10, "NULL"),
          Map.entry(PTR, "PTR"),
          Map.entry(13, "HINFO"),
          Map.entry(MX, "MX"),
          Map.entry(TXT, "TXT"),
          Map.entry(AAAA, "AAAA"),
          Map.entry(SRV, "SRV"),
          Map.entry(35, "NAPTR"),
          Map.entry(37, "CERT"),
          Map.entry(OPT, "OPT"),
          Map.entry(43, "DS"),
          Map.entry(44, "SSHFP"),
          Map.entry(46, "RRSIG"),
          Map.entry(47, "NSEC"),
          Map.entry(48, "DNSKEY"),
          Map.entry(50, "NSEC3"),
          Map.entry(51, "NSEC3PARAM"),
          Map.entry(52, "TLSA"),
          Map.entry(59, "CDS"),
          Map.entry(60, "CDNSKEY"),
          Map.entry(61, "OPENPGPKEY"),
          Map.entry(62, "CSYNC"),
          Map.entry(64, "SVCB"),
          Map.entry(65, "HTTPS"),
          Map.entry(251, "IXFR"),
          Map.entry(252, "AXFR"),
          Map.entry(ANY, "ANY"),
          Map.entry(257, "CAA"));

  private RecordType() {}

  /** As logs write it; of an unknown type its number (RFC 3597). */
  static String name(int type) {
    return NAMES.getOrDefault(type, "TYPE" + type);
  }

  /** As metrics write it: a short list, so that nobody can make series at will. */
  static String label(int type) {
    return NAMES.getOrDefault(type, "unknown").toLowerCase(Locale.ROOT);
  }

  static boolean isAddress(int type) {
    return type == A || type == AAAA;
  }
}
