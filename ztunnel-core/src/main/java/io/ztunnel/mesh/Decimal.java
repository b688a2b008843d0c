package io.ztunnel.mesh;

/** Decimal numbers in text: digits only, no sign, no spaces. */
final class Decimal {
  static final int INVALID = -1;

  private static final int MAX_DIGITS = 18;

  private Decimal() {}

  /** The number, or {@link #INVALID} when the text is none or the number is over the maximum. */
  static long parse(String text, long max) {
    if (text.isEmpty() || text.length() > MAX_DIGITS) {
      return INVALID;
    }
    long value = 0;
    for (int i = 0; i < text.length(); i++) {
      int digit = text.charAt(i) - '0';
      if (digit < 0 || digit > 9) {
        return INVALID;
      }
      value = value * 10 + digit;
    }
    return value <= max ? value : INVALID;
  }
}
