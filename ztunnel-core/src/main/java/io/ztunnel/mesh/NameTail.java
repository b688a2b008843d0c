package io.ztunnel.mesh;

/**
 * The last piece of a pod's name, which alone is its own ({@code x2x8z} of {@code
 * cart-7d4b9c6f5-x2x8z}), as a number: up to eight ASCII characters, the first in the lowest byte.
 */
final class NameTail {
  static final long NONE = 0;

  private static final int MAX_LENGTH = Long.BYTES;
  private static final int MASK = 0xff;

  private NameTail() {}

  /** Where the tail of a name begins; its end if no tail can be taken off. */
  static int start(String name) {
    int start = name.lastIndexOf('-') + 1;
    if (start == 0 || name.length() - start > MAX_LENGTH) {
      return name.length();
    }
    for (int i = start; i < name.length(); i++) {
      if (name.charAt(i) == 0 || name.charAt(i) > Byte.MAX_VALUE) {
        return name.length();
      }
    }
    return start;
  }

  /** The characters from an index on, which {@link #start} has found. */
  static long of(String name, int start) {
    long tail = NONE;
    for (int i = name.length() - 1; i >= start; i--) {
      tail = (tail << Byte.SIZE) | name.charAt(i);
    }
    return tail;
  }

  static int length(long tail) {
    return MAX_LENGTH - Long.numberOfLeadingZeros(tail) / Byte.SIZE;
  }

  static void append(long tail, StringBuilder text) {
    for (long rest = tail; rest != NONE; rest >>>= Byte.SIZE) {
      text.append((char) (rest & MASK));
    }
  }

  /** The hash code of a text with this tail, from that of the text without it. */
  static int hash(int before, long tail) {
    int hash = before;
    for (long rest = tail; rest != NONE; rest >>>= Byte.SIZE) {
      hash = 31 * hash + (int) (rest & MASK);
    }
    return hash;
  }

  /** Whether a text goes on with the tail, and ends with it. */
  static boolean ends(String text, int from, long tail) {
    int i = from;
    for (long rest = tail; rest != NONE; rest >>>= Byte.SIZE, i++) {
      if (i >= text.length() || text.charAt(i) != (rest & MASK)) {
        return false;
      }
    }
    return i == text.length();
  }
}
