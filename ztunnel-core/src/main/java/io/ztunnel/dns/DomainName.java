package io.ztunnel.dns;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A domain name as it is on the wire: labels of bytes, in the case in which they came (RFC 1035,
 * 3.1). Immutable. Names are equal if their bytes are; {@link #lowerCase} first where case does not
 * count.
 */
final class DomainName {
  /** With all length bytes and the root (RFC 1035, 2.3.4). */
  static final int MAX_BYTES = 255;

  static final DomainName ROOT = new DomainName(new byte[1]);

  private static final int MAX_LABEL_BYTES = 63;

  /** Uncompressed, ending with the root label. */
  private final byte[] wire;

  private DomainName(byte[] wire) {
    this.wire = wire;
  }

  /** Takes the array over, which must hold an uncompressed name. */
  static DomainName ofWire(byte[] wire) {
    return new DomainName(wire);
  }

  /** The name of a text, whose last dot may be left out; null if no name can be that long. */
  static @Nullable DomainName parse(String text) {
    String relative = text.endsWith(".") ? text.substring(0, text.length() - 1) : text;
    ByteArrayOutputStream wire = new ByteArrayOutputStream(relative.length() + 2);
    if (!relative.isEmpty()) {
      for (String label : relative.split("\\.", -1)) {
        byte[] bytes = label.getBytes(UTF_8);
        if (bytes.length == 0 || bytes.length > MAX_LABEL_BYTES) {
          return null;
        }
        wire.write(bytes.length);
        wire.writeBytes(bytes);
      }
    }
    wire.write(0);
    return wire.size() > MAX_BYTES ? null : new DomainName(wire.toByteArray());
  }

  int length() {
    return wire.length;
  }

  /** The byte at a place of the uncompressed form. */
  int byteAt(int index) {
    return wire[index] & 0xff;
  }

  void copyTo(byte[] target, int offset) {
    System.arraycopy(wire, 0, target, offset, wire.length);
  }

  boolean isRoot() {
    return wire.length == 1;
  }

  /** The same name without its first label. */
  DomainName parent() {
    return isRoot() ? this : new DomainName(Arrays.copyOfRange(wire, 1 + wire[0], wire.length));
  }

  /** True if this is the other name, or below it. */
  boolean isWithin(DomainName ancestor) {
    DomainName name = this;
    while (name.length() > ancestor.length()) {
      name = name.parent();
    }
    return name.equals(ancestor);
  }

  /** With the letters A to Z in lower case (RFC 4343). */
  DomainName lowerCase() {
    for (int i = 0; i < wire.length; i++) {
      if (isUpperCase(wire[i])) {
        return lowerCased();
      }
    }
    return this;
  }

  private DomainName lowerCased() {
    byte[] lower = wire.clone();
    for (int i = 0; i < lower.length; i++) {
      if (isUpperCase(lower[i])) { // a length byte is at most 63 and no letter
        lower[i] = (byte) (lower[i] + 'a' - 'A');
      }
    }
    return new DomainName(lower);
  }

  private static boolean isUpperCase(byte b) {
    return b >= 'A' && b <= 'Z';
  }

  /**
   * The name without its last dot, the root as nothing. What could be mistaken is escaped (RFC
   * 1035, 5.1), so that two names never have one text.
   */
  String text() {
    StringBuilder text = new StringBuilder(wire.length);
    for (int at = 0; wire[at] != 0; at += 1 + wire[at]) {
      if (at > 0) {
        text.append('.');
      }
      for (int i = at + 1; i <= at + wire[at]; i++) {
        appendEscaped(text, wire[i] & 0xff);
      }
    }
    return text.toString();
  }

  private static void appendEscaped(StringBuilder text, int b) {
    if (b == '.' || b == '\\') {
      text.append('\\').append((char) b);
    } else if (b > ' ' && b < 0x7f) {
      text.append((char) b);
    } else {
      text.append("\\%03d".formatted(b));
    }
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof DomainName that && Arrays.equals(wire, that.wire);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(wire);
  }

  /** The text with its last dot. */
  @Override
  public String toString() {
    return text() + ".";
  }
}
