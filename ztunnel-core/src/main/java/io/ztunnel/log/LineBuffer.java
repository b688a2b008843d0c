package io.ztunnel.log;

import java.nio.charset.StandardCharsets;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.Arrays;

/** Bytes of the line that is being written, reused from line to line. Owned by one thread. */
final class LineBuffer {
  private static final int INITIAL_BYTES = 1024;
  // A rare long line, such as the configuration, must not be kept in memory by every thread.
  private static final int KEPT_BYTES = 16 << 10;
  private static final byte[] HEX = "0123456789abcdef".getBytes(StandardCharsets.US_ASCII);
  private static final int DATE_AND_TIME = "2026-08-20T10:00:00".length();

  private byte[] bytes = new byte[INITIAL_BYTES];
  private int length;
  // Lines come in bursts: the second is formatted once for all lines within it.
  private final byte[] secondText = new byte[DATE_AND_TIME];
  private long second = Long.MIN_VALUE;

  void clear() {
    length = 0;
    if (bytes.length > KEPT_BYTES) {
      bytes = new byte[INITIAL_BYTES];
    }
  }

  byte[] copy() {
    return Arrays.copyOf(bytes, length);
  }

  LineBuffer raw(char c) {
    require(1);
    bytes[length++] = (byte) c;
    return this;
  }

  /** Text as it is. */
  LineBuffer raw(String text) {
    int n = text.length();
    require(n * 3);
    for (int i = 0; i < n; i++) {
      char c = text.charAt(i);
      if (c >= 0x80) {
        return encoded(text.substring(i));
      }
      bytes[length++] = (byte) c;
    }
    return this;
  }

  private LineBuffer encoded(String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    require(utf8.length);
    System.arraycopy(utf8, 0, bytes, length, utf8.length);
    length += utf8.length;
    return this;
  }

  LineBuffer number(long value) {
    return raw(Long.toString(value));
  }

  /** RFC 3339, UTC, with microseconds. */
  LineBuffer time(long epochSecond, int nanos) {
    if (epochSecond != second) {
      second = epochSecond;
      LocalDateTime time = LocalDateTime.ofEpochSecond(epochSecond, 0, ZoneOffset.UTC);
      digits(secondText, 0, time.getYear(), 4);
      secondText[4] = '-';
      digits(secondText, 5, time.getMonthValue(), 2);
      secondText[7] = '-';
      digits(secondText, 8, time.getDayOfMonth(), 2);
      secondText[10] = 'T';
      digits(secondText, 11, time.getHour(), 2);
      secondText[13] = ':';
      digits(secondText, 14, time.getMinute(), 2);
      secondText[16] = ':';
      digits(secondText, 17, time.getSecond(), 2);
    }
    require(DATE_AND_TIME + 8);
    System.arraycopy(secondText, 0, bytes, length, DATE_AND_TIME);
    length += DATE_AND_TIME;
    bytes[length++] = '.';
    digits(bytes, length, nanos / 1000, 6);
    length += 6;
    bytes[length++] = 'Z';
    return this;
  }

  private static void digits(byte[] into, int at, int value, int count) {
    int rest = value;
    for (int i = count - 1; i >= 0; i--) {
      into[at + i] = (byte) ('0' + rest % 10);
      rest /= 10;
    }
  }

  /** In double quotes, with the escapes of the reference's plain format. */
  LineBuffer quoted(String text) {
    raw('"');
    escaped(text, true);
    return raw('"');
  }

  /**
   * Without quotes. Control characters are escaped: a value may come from a peer, and must not be
   * able to end the line or to steer a terminal.
   */
  LineBuffer bare(String text) {
    return escaped(text, false);
  }

  private LineBuffer escaped(String text, boolean quotes) {
    int n = text.length();
    int from = 0;
    for (int i = 0; i < n; i++) {
      char c = text.charAt(i);
      boolean special = Character.isISOControl(c) || (quotes && (c == '"' || c == '\\'));
      if (special) {
        raw(text.substring(from, i));
        from = i + 1;
        escape(c);
      }
    }
    return raw(from == 0 ? text : text.substring(from));
  }

  private void escape(char c) {
    switch (c) {
      case '"', '\\' -> raw('\\').raw(c);
      case '\n' -> raw("\\n");
      case '\r' -> raw("\\r");
      case '\t' -> raw("\\t");
      case 0 -> raw("\\0");
      default -> raw("\\u{").raw(Integer.toHexString(c)).raw('}');
    }
  }

  /** A JSON string (RFC 8259, 7). */
  LineBuffer json(String text) {
    raw('"');
    int n = text.length();
    int from = 0;
    for (int i = 0; i < n; i++) {
      char c = text.charAt(i);
      if (Character.isISOControl(c) || c == '"' || c == '\\') {
        raw(text.substring(from, i));
        from = i + 1;
        jsonEscape(c);
      }
    }
    raw(from == 0 ? text : text.substring(from));
    return raw('"');
  }

  private void jsonEscape(char c) {
    switch (c) {
      case '"', '\\' -> raw('\\').raw(c);
      case '\n' -> raw("\\n");
      case '\r' -> raw("\\r");
      case '\t' -> raw("\\t");
      case '\b' -> raw("\\b");
      case '\f' -> raw("\\f");
      default -> {
        raw("\\u00");
        require(2);
        bytes[length++] = HEX[c >> 4];
        bytes[length++] = HEX[c & 0xf];
      }
    }
  }

  private void require(int more) {
    if (bytes.length - length < more) {
      bytes = Arrays.copyOf(bytes, Math.max(bytes.length * 2, length + more));
    }
  }
}
