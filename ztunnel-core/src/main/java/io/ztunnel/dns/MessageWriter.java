package io.ztunnel.dns;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * Writes a message of limited length, names compressed where they repeat (RFC 1035, 4.1.4).
 * Confined to the thread that uses it.
 */
final class MessageWriter {
  /** What a length prefix of two bytes can tell, which is also the limit of TCP. */
  static final int MAX_BYTES = 65_535;

  /** Bytes of an OPT record without options. */
  static final int OPT_BYTES = 11;

  /** Pointers have 14 bits. */
  private static final int MAX_POINTER = 0x3fff;

  private final int limit;
  private final Map<DomainName, Integer> written = new HashMap<>();
  private byte[] bytes = new byte[512];
  private int length;

  MessageWriter(int limit) {
    this.limit = limit;
  }

  byte[] message() {
    return Arrays.copyOf(bytes, length);
  }

  private void reserve(int more) {
    if (length + more > bytes.length) {
      bytes = Arrays.copyOf(bytes, Math.max(2 * bytes.length, length + more));
    }
  }

  MessageWriter octet(int value) {
    reserve(1);
    bytes[length++] = (byte) value;
    return this;
  }

  MessageWriter number16(int value) {
    return octet(value >> 8).octet(value);
  }

  MessageWriter number32(long value) {
    return number16((int) (value >> 16)).number16((int) value);
  }

  /** Overwrites a number that is there already. */
  void number16At(int index, int value) {
    bytes[index] = (byte) (value >> 8);
    bytes[index + 1] = (byte) value;
  }

  /** Later names may point to its name, which is whole if it is the first one. */
  void question(Question question) {
    name(question.name());
    number16(question.type()).number16(question.dnsClass());
  }

  private void name(DomainName name) {
    DomainName rest = name;
    while (!rest.isRoot()) {
      Integer earlier = written.get(rest);
      if (earlier != null) {
        number16(0xc000 | earlier);
        return;
      }
      if (length <= MAX_POINTER) {
        written.put(rest, length);
      }
      int label = rest.byteAt(0);
      for (int i = 0; i <= label; i++) {
        octet(rest.byteAt(i));
      }
      rest = rest.parent();
    }
    octet(0);
  }

  /**
   * A record, if it leaves so many bytes of the limit free.
   *
   * @return false if it does not fit; nothing is written then
   */
  boolean record(ResourceRecord record, int keepFree) {
    int before = length;
    name(record.name());
    number16(record.type()).number16(record.dnsClass()).number32(record.ttlSeconds());
    int lengthAt = length;
    number16(0);
    if (record.type() == RecordType.CNAME) {
      name(record.target());
    } else {
      reserve(record.dataLength());
      record.copyDataTo(bytes, length);
      length += record.dataLength();
    }
    number16At(lengthAt, length - lengthAt - 2);
    if (length + keepFree <= limit) {
      return true;
    }
    length = before;
    written.values().removeIf(place -> place >= before);
    return false;
  }

  /** The OPT record (RFC 6891, 6.1.2). */
  void edns(Edns edns) {
    octet(0).number16(RecordType.OPT).number16(edns.payloadBytes()).number32(edns.ttl());
    number16(0);
  }
}
