package io.ztunnel.identity;

import java.io.IOException;

/**
 * Reads one DER element after the other (X.690), from bytes that stay where they are. Confined to
 * the thread that uses it.
 */
final class DerReader {
  static final int INTEGER = 0x02;
  static final int BIT_STRING = 0x03;
  static final int OCTET_STRING = 0x04;
  static final int OBJECT_IDENTIFIER = 0x06;
  static final int ENUMERATED = 0x0a;
  static final int SEQUENCE = 0x30;

  private static final int LONG_FORM = 0x80;

  private final byte[] bytes;
  private final int end;
  private int at;

  DerReader(byte[] bytes) {
    this(bytes, 0, bytes.length);
  }

  private DerReader(byte[] bytes, int from, int end) {
    this.bytes = bytes;
    this.at = from;
    this.end = end;
  }

  /** Another reader of what this one has not read. */
  DerReader copy() {
    return new DerReader(bytes, at, end);
  }

  /** Where in the bytes the next element begins. */
  int position() {
    return at;
  }

  /** How many bytes have not been read. */
  int left() {
    return end - at;
  }

  boolean isNext(int tag) {
    return at < end && (bytes[at] & 0xff) == tag;
  }

  /**
   * The content of the next element.
   *
   * @throws IOException if it has another tag or is cut off
   */
  DerReader next(int tag) throws IOException {
    if (!isNext(tag)) {
      throw new IOException(
          "%s at byte %d (expected: tag %02x)"
              .formatted(at < end ? "tag %02x".formatted(bytes[at]) : "an end", at, tag));
    }
    return next();
  }

  /** As {@link #next(int)}, of any tag. */
  DerReader next() throws IOException {
    int begin = at;
    at++;
    long length = length();
    if (length > end - at) {
      throw new IOException(
          "element at byte %d is cut off (expected: %d bytes)".formatted(begin, length));
    }
    DerReader content = new DerReader(bytes, at, at + (int) length);
    at += (int) length;
    return content;
  }

  private long length() throws IOException {
    int first = octet();
    if (first < LONG_FORM) {
      return first;
    }
    int octets = first - LONG_FORM;
    if (octets == 0 || octets > Integer.BYTES) {
      throw new IOException(
          "length of %d bytes before byte %d (expected: 1 to 4)".formatted(octets, at));
    }
    long length = 0;
    for (int i = 0; i < octets; i++) {
      length = (length << Byte.SIZE) | octet();
    }
    return length;
  }

  /** The next byte by itself. */
  int octet() throws IOException {
    if (at >= end) {
      throw new IOException("an end at byte %d (expected: more)".formatted(at));
    }
    return bytes[at++] & 0xff;
  }
}
