package io.ztunnel.app;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The durations of Istio's ztunnel: whole numbers with units, adjacent or joined by {@code +}
 * ({@code 1h30m}, {@code 1h + 30m}), or joined by {@code *} as a product of seconds. No unit means
 * seconds.
 */
final class DurationSyntax {
  private static final long DAY = 86_400_000_000_000L;
  private static final Map<String, Long> NANOS =
      Map.ofEntries(
          Map.entry("y", 365 * DAY),
          Map.entry("year", 365 * DAY),
          Map.entry("years", 365 * DAY),
          Map.entry("mon", 30 * DAY),
          Map.entry("month", 30 * DAY),
          Map.entry("months", 30 * DAY),
          Map.entry("w", 7 * DAY),
          Map.entry("week", 7 * DAY),
          Map.entry("weeks", 7 * DAY),
          Map.entry("d", DAY),
          Map.entry("day", DAY),
          Map.entry("days", DAY),
          Map.entry("h", DAY / 24),
          Map.entry("hr", DAY / 24),
          Map.entry("hour", DAY / 24),
          Map.entry("hours", DAY / 24),
          Map.entry("m", DAY / 1440),
          Map.entry("min", DAY / 1440),
          Map.entry("minute", DAY / 1440),
          Map.entry("minutes", DAY / 1440),
          Map.entry("", 1_000_000_000L),
          Map.entry("s", 1_000_000_000L),
          Map.entry("sec", 1_000_000_000L),
          Map.entry("second", 1_000_000_000L),
          Map.entry("seconds", 1_000_000_000L),
          Map.entry("ms", 1_000_000L),
          Map.entry("msec", 1_000_000L),
          Map.entry("millisecond", 1_000_000L),
          Map.entry("milliseconds", 1_000_000L),
          Map.entry("µs", 1_000L),
          Map.entry("us", 1_000L),
          Map.entry("usec", 1_000L),
          Map.entry("microsecond", 1_000L),
          Map.entry("microseconds", 1_000L),
          Map.entry("ns", 1L),
          Map.entry("nsec", 1L),
          Map.entry("nanosecond", 1L),
          Map.entry("nanoseconds", 1L));

  private static final Pattern TERM =
      Pattern.compile(
          "\\s*(?<operator>[+*]?)\\s*(?<number>[0-9]{1,19})\\s*(?<unit>[\\p{Alpha}µ]*)\\s*");
  private static final BigDecimal SECOND = BigDecimal.valueOf(1_000_000_000L);
  private static final String EXPECTED = "expected: a duration such as 30s, 5m or 1h30m";

  private DurationSyntax() {}

  /** The duration; {@code IllegalArgumentException} with what was expected otherwise. */
  static Duration parse(String text) {
    Matcher term = TERM.matcher(text);
    BigDecimal nanos = BigDecimal.ZERO;
    boolean products = false;
    boolean sums = false;
    int end = 0;
    while (end < text.length()) {
      boolean first = end == 0;
      if (!term.find(end) || term.start() != end || (first && !term.group("operator").isEmpty())) {
        throw new IllegalArgumentException(EXPECTED);
      }
      BigDecimal value = nanosOf(term.group("number"), term.group("unit"));
      switch (term.group("operator")) {
        case "*" -> {
          products = true;
          nanos = nanos.multiply(value.divide(SECOND));
        }
        case "+" -> {
          sums = true;
          nanos = nanos.add(value);
        }
        default -> nanos = nanos.add(value);
      }
      end = term.end();
    }
    if (end == 0 || (products && sums)) {
      throw new IllegalArgumentException(EXPECTED);
    }
    return duration(nanos.toBigInteger());
  }

  private static BigDecimal nanosOf(String number, String unit) {
    Long nanos = NANOS.get(unit.toLowerCase(Locale.ROOT));
    if (nanos == null) {
      throw new IllegalArgumentException("unknown unit " + unit + "; " + EXPECTED);
    }
    return new BigDecimal(number).multiply(BigDecimal.valueOf(nanos));
  }

  // Bounded by what a timer can hold, about 292 years.
  private static Duration duration(BigInteger nanos) {
    if (nanos.bitLength() > 63) {
      throw new IllegalArgumentException("too long; expected: at most 292 years");
    }
    return Duration.ofNanos(nanos.longValue());
  }
}
