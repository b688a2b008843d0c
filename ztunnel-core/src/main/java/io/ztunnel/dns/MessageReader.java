package io.ztunnel.dns;

import java.util.Arrays;

/**
 * Reads the parts of a message one after the other (RFC 1035, 4.1). Confined to the thread that
 * uses it.
 */
final class MessageReader {
  static final int HEADER_BYTES = 12;

  private static final int POINTER = 0xc0;

  /** As many as the longest name has labels: each leads to one at least, if it is of any use. */
  private static final int MAX_POINTERS = 127;

  private final byte[] message;
  private int position;

  MessageReader(byte[] message) {
    this.message = message;
  }

  int unsignedByte() throws MalformedMessageException {
    int value = byteAt(position);
    position++;
    return value;
  }

  int unsignedShort() throws MalformedMessageException {
    return unsignedByte() << 8 | unsignedByte();
  }

  long unsignedInt() throws MalformedMessageException {
    return (long) unsignedShort() << 16 | unsignedShort();
  }

  private byte[] bytes(int count) throws MalformedMessageException {
    if (count > message.length - position) {
      throw truncated();
    }
    byte[] bytes = Arrays.copyOfRange(message, position, position + count);
    position += count;
    return bytes;
  }

  private int byteAt(int index) throws MalformedMessageException {
    if (index >= message.length) {
      throw truncated();
    }
    return message[index] & 0xff;
  }

  private MalformedMessageException truncated() {
    return new MalformedMessageException("ends after " + message.length + " bytes, within a field");
  }

  /**
   * A name, whose end may be a pointer to an earlier one. Pointers must lead backwards, so that
   * following them comes to an end, and soon: else a message could have thousands of names, each
   * with thousands of pointers.
   */
  DomainName name() throws MalformedMessageException {
    byte[] wire = new byte[DomainName.MAX_BYTES];
    int length = 0;
    int at = position;
    int before = position;
    int end = -1;
    int pointers = 0;
    while (true) {
      int label = byteAt(at);
      if ((label & POINTER) == POINTER) {
        int target = (label & ~POINTER) << 8 | byteAt(at + 1);
        if (target < HEADER_BYTES || target >= before) {
          throw new MalformedMessageException(
              "name at %d points to %d (expected: an earlier name)".formatted(position, target));
        }
        if (++pointers > MAX_POINTERS) {
          throw new MalformedMessageException(
              "name at %d: more than %d pointers".formatted(position, MAX_POINTERS));
        }
        end = end < 0 ? at + 2 : end;
        at = target;
        before = target;
      } else if ((label & POINTER) != 0) {
        throw new MalformedMessageException(
            "label type 0x%x (expected: 0 or 0xc0)".formatted(label));
      } else {
        if (length + 1 + label > DomainName.MAX_BYTES - (label == 0 ? 0 : 1)) {
          throw new MalformedMessageException("name at %d: too long".formatted(position));
        }
        byteAt(at + label); // is there
        System.arraycopy(message, at, wire, length, 1 + label);
        length += 1 + label;
        at += 1 + label;
        if (label == 0) {
          position = end < 0 ? at : end;
          return DomainName.ofWire(Arrays.copyOf(wire, length));
        }
      }
    }
  }

  Question question() throws MalformedMessageException {
    return new Question(name(), unsignedShort(), unsignedShort());
  }

  ResourceRecord record() throws MalformedMessageException {
    DomainName name = name();
    int type = unsignedShort();
    int dnsClass = unsignedShort();
    long ttl = unsignedInt();
    int length = unsignedShort();
    if (length > message.length - position) {
      throw truncated();
    }
    byte[] data = data(type, position + length);
    return new ResourceRecord(
        name,
        type,
        dnsClass,
        type != RecordType.OPT && ttl > Integer.MAX_VALUE ? 0 : ttl, // RFC 2181, 8
        data);
  }

  /** Where the names are in the data of a type. */
  private enum Layout {
    OPAQUE(0, 0, 0),
    NAME(0, 1, 0),
    TWO_NAMES(0, 2, 0),
    PREFERENCE_AND_NAME(2, 1, 0),
    SERVICE(6, 1, 0),
    AUTHORITY(0, 2, 20);

    final int prefix;
    final int names;
    final int suffix;

    Layout(int prefix, int names, int suffix) {
      this.prefix = prefix;
      this.names = names;
      this.suffix = suffix;
    }

    /** Types whose names may be compressed by some (RFC 3597, 4). */
    static Layout of(int type) {
      return switch (type) {
        case RecordType.NS, RecordType.CNAME, RecordType.PTR, 3, 4, 7, 8, 9 -> NAME;
        case 14, 17 -> TWO_NAMES; // MINFO, RP
        case RecordType.MX, 18, 21 -> PREFERENCE_AND_NAME; // and AFSDB, RT
        case RecordType.SRV -> SERVICE;
        case RecordType.SOA -> AUTHORITY;
        default -> OPAQUE;
      };
    }
  }

  private byte[] data(int type, int end) throws MalformedMessageException {
    Layout layout = Layout.of(type);
    if (layout == Layout.OPAQUE) {
      return bytes(end - position);
    }
    byte[] prefix = bytes(layout.prefix);
    DomainName first = name();
    DomainName second = layout.names == 2 ? name() : null;
    byte[] suffix = bytes(layout.suffix);
    if (position != end) {
      throw new MalformedMessageException(
          "%s: data end at %d (expected: at %d)".formatted(RecordType.name(type), position, end));
    }
    int tail = second == null ? 0 : second.length();
    byte[] data = Arrays.copyOf(prefix, prefix.length + first.length() + tail + suffix.length);
    first.copyTo(data, prefix.length);
    if (second != null) {
      second.copyTo(data, prefix.length + first.length());
    }
    System.arraycopy(suffix, 0, data, data.length - suffix.length, suffix.length);
    return data;
  }
}
