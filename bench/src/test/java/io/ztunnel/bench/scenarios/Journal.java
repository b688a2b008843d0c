package io.ztunnel.bench.scenarios;

import io.ztunnel.bench.lab.Daemon;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** A daemon's log from a moment on. */
final class Journal {
  private static final Pattern ADDRESS_PORT =
      Pattern.compile("(src\\.addr=(?:\\[[^]]*]|[0-9.]+)):[0-9]+");
  private static final Pattern DURATION = Pattern.compile("duration=\"[0-9]+ms\"");

  private static final String COMPLETE_JSON = "\"message\":\"connection complete\"";

  private final Daemon daemon;
  private final int begin;

  private Journal(Daemon daemon, int begin) {
    this.daemon = daemon;
    this.begin = begin;
  }

  /**
   * Begins once every connection so far has ended and was logged, so that all lines of the access
   * log are about what comes now.
   */
  static Journal of(Daemon daemon) throws IOException {
    Await.until(daemon.name() + " is at rest", () -> isAtRest(daemon));
    return now(daemon);
  }

  /** Begins here, whatever goes on. */
  static Journal now(Daemon daemon) throws IOException {
    return new Journal(daemon, daemon.logLines().size());
  }

  /** Begins at the daemon's start. */
  static Journal whole(Daemon daemon) {
    return new Journal(daemon, 0);
  }

  private static boolean isAtRest(Daemon daemon) throws IOException {
    Map<String, Double> samples = Counters.read(daemon);
    double opened = Counters.sum(samples, "istio_tcp_connections_opened_total");
    double closed = Counters.sum(samples, "istio_tcp_connections_closed_total");
    long logged =
        daemon.logLines().stream()
            .filter(
                line -> line.contains("\tconnection complete\t") || line.contains(COMPLETE_JSON))
            .count();
    return opened == closed && logged == closed;
  }

  /** The lines so far. */
  List<String> lines() throws IOException {
    List<String> all = daemon.logLines();
    return all.subList(begin, all.size());
  }

  /** The lines of the access log that have all these words. */
  List<String> access(String... words) throws IOException {
    return lines().stream()
        .filter(line -> line.contains("\taccess\t"))
        .filter(line -> Stream.of(words).allMatch(line::contains))
        .toList();
  }

  /**
   * Waits for the only line of the access log that has all these words; returns level, message and
   * fields in their order, with the client's port and the duration left out.
   */
  String await(String... words) throws IOException {
    Await.until(daemon.name() + " logs " + String.join(" ", words), () -> !access(words).isEmpty());
    List<String> found = access(words);
    if (found.size() != 1) {
      throw new AssertionError("more than one line: " + found);
    }
    return normal(found.getFirst());
  }

  /** Waits for any line that has all these words and returns it as it is. */
  String awaitAny(String... words) throws IOException {
    Await.until(
        daemon.name() + " logs " + String.join(" ", words),
        () -> lines().stream().anyMatch(line -> Stream.of(words).allMatch(line::contains)));
    return lines().stream()
        .filter(line -> Stream.of(words).allMatch(line::contains))
        .findFirst()
        .orElseThrow();
  }

  private static String normal(String line) {
    String[] columns = line.split("\t", 5);
    String fields = ADDRESS_PORT.matcher(columns[4]).replaceAll("$1:*");
    return columns[1]
        + " "
        + columns[3]
        + " "
        + DURATION.matcher(fields).replaceAll("duration=\"*\"");
  }
}
