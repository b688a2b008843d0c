package io.ztunnel.hbone;

import java.util.Optional;
import java.util.random.RandomGenerator;

/**
 * A trace's identity (W3C Trace Context, version 00), used to find the two ends of a tunnel in the
 * logs. Immutable.
 *
 * @param traceHigh upper half of the trace id
 * @param traceLow lower half of the trace id
 * @param parent the span
 * @param flags one byte
 */
public record TraceParent(long traceHigh, long traceLow, long parent, int flags) {
  private static final int LENGTH = 55;

  public TraceParent {
    if (flags < 0 || flags > 0xff) {
      throw new IllegalArgumentException("flags: " + flags + " (expected: 0-255)");
    }
  }

  /** A new trace. */
  public static TraceParent random(RandomGenerator random) {
    return new TraceParent(random.nextLong(), random.nextLong(), random.nextLong(), 0);
  }

  /**
   * Reads a value of 55 characters: two, 32, 16 and two hexadecimal digits, with dashes between.
   * Empty when it is anything else. The version is not looked at, as its first fields stay what
   * they are.
   */
  public static Optional<TraceParent> parse(String text) {
    if (text.length() != LENGTH
        || text.charAt(2) != '-'
        || text.charAt(35) != '-'
        || text.charAt(52) != '-'
        || !isHex(text, 0, 2)
        || !isHex(text, 3, 35)
        || !isHex(text, 36, 52)
        || !isHex(text, 53, 55)) {
      return Optional.empty();
    }
    return Optional.of(
        new TraceParent(
            Long.parseUnsignedLong(text, 3, 19, 16),
            Long.parseUnsignedLong(text, 19, 35, 16),
            Long.parseUnsignedLong(text, 36, 52, 16),
            Integer.parseInt(text, 53, 55, 16)));
  }

  /** The trace id: 32 digits. */
  public String traceId() {
    return hex(traceHigh) + hex(traceLow);
  }

  @Override
  public String toString() {
    return "00-"
        + traceId()
        + "-"
        + hex(parent)
        + (flags < 16 ? "-0" : "-")
        + Integer.toHexString(flags);
  }

  private static String hex(long value) {
    String digits = Long.toHexString(value);
    return "0".repeat(16 - digits.length()) + digits;
  }

  private static boolean isHex(String text, int from, int to) {
    for (int i = from; i < to; i++) {
      if (Character.digit(text.charAt(i), 16) < 0 || text.charAt(i) > 'f') {
        return false;
      }
    }
    return true;
  }
}
