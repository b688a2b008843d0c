package io.ztunnel.bench.load;

import java.io.IOException;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The result that {@code wrk --latency} prints. */
record WrkReport(long requests, double perSecond, double p50Micros, double p99Micros, long errors) {

  private static final Pattern REQUESTS = Pattern.compile("(\\d+) requests in ");
  private static final Pattern RATE = Pattern.compile("Requests/sec:\\s+([\\d.]+)");
  private static final Pattern P50 = Pattern.compile("\\s50%\\s+([\\d.]+)(us|ms|s|m)\\b");
  private static final Pattern P99 = Pattern.compile("\\s99%\\s+([\\d.]+)(us|ms|s|m)\\b");
  private static final Pattern SOCKET_ERRORS =
      Pattern.compile("Socket errors: connect (\\d+), read (\\d+), write (\\d+), timeout (\\d+)");
  private static final Pattern STATUS_ERRORS = Pattern.compile("Non-2xx or 3xx responses: (\\d+)");

  static WrkReport parse(String text) throws IOException {
    long errors = 0;
    Matcher socketErrors = SOCKET_ERRORS.matcher(text);
    if (socketErrors.find()) {
      for (int group = 1; group <= 4; group++) {
        errors += Long.parseLong(socketErrors.group(group));
      }
    }
    Matcher statusErrors = STATUS_ERRORS.matcher(text);
    if (statusErrors.find()) {
      errors += Long.parseLong(statusErrors.group(1));
    }
    return new WrkReport(
        Long.parseLong(find(REQUESTS, text).group(1)),
        Double.parseDouble(find(RATE, text).group(1)),
        micros(find(P50, text)),
        micros(find(P99, text)),
        errors);
  }

  private static Matcher find(Pattern pattern, String text) throws IOException {
    Matcher matcher = pattern.matcher(text);
    if (!matcher.find()) {
      throw new IOException("wrk printed no \"" + pattern + "\": " + text.strip());
    }
    return matcher;
  }

  private static double micros(Matcher value) throws IOException {
    double number = Double.parseDouble(value.group(1));
    return switch (value.group(2).toLowerCase(Locale.ROOT)) {
      case "us" -> number;
      case "ms" -> number * 1e3;
      case "s" -> number * 1e6;
      case "m" -> number * 60e6;
      default -> throw new IOException("wrk: unknown unit in \"" + value.group() + '"');
    };
  }
}
