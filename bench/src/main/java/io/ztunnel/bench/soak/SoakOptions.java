package io.ztunnel.bench.soak;

import io.ztunnel.bench.lab.OptionValue;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;

/**
 * What to do to the daemons.
 *
 * @param turmoil how long they are used between two rests
 * @param turns how often; growth is told since half of them
 * @param transport the daemons' {@code ZTUNNEL_TRANSPORT}
 * @param seed what everything is drawn from
 */
record SoakOptions(Duration turmoil, int turns, String transport, long seed, Optional<Path> json) {
  /** The first is the default. */
  static final List<String> TRANSPORTS = List.of("epoll", "io_uring");

  private static final Duration TURMOIL = Duration.ofMinutes(2);
  private static final int MINUTES = 30;
  private static final int MAX_MINUTES = 10_000;

  /** The first is the warm-up. */
  private static final int LEAST_TURNS = 3;

  /**
   * Reads the command line.
   *
   * @throws IllegalArgumentException with the argument that is wrong and what was expected
   */
  static SoakOptions parse(List<String> arguments) {
    int minutes = MINUTES;
    String transport = TRANSPORTS.getFirst();
    long seed = System.nanoTime();
    Optional<Path> json = Optional.empty();
    Iterator<String> rest = arguments.iterator();
    while (rest.hasNext()) {
      String option = rest.next();
      switch (option) {
        case "--minutes" -> minutes = minutes(OptionValue.next(option, rest));
        case "--transport" -> transport = transport(OptionValue.next(option, rest));
        case "--seed" -> seed = seed(OptionValue.next(option, rest));
        case "--json" -> json = Optional.of(Path.of(OptionValue.next(option, rest)));
        default ->
            throw new IllegalArgumentException(
                option + " (expected: --minutes N, --transport NAME, --seed N or --json FILE)");
      }
    }
    Duration all = Duration.ofMinutes(minutes);
    int turns = Math.max(LEAST_TURNS, (int) all.dividedBy(TURMOIL));
    return new SoakOptions(all.dividedBy(turns), turns, transport, seed, json);
  }

  private static int minutes(String text) {
    if (text.matches("\\d{1,5}")) {
      int minutes = Integer.parseInt(text);
      if (minutes >= 1 && minutes <= MAX_MINUTES) {
        return minutes;
      }
    }
    throw new IllegalArgumentException(
        "--minutes: %s (expected: 1 to %d)".formatted(text, MAX_MINUTES));
  }

  private static String transport(String text) {
    if (!TRANSPORTS.contains(text)) {
      throw new IllegalArgumentException(
          "--transport: %s (expected: %s)".formatted(text, String.join(" or ", TRANSPORTS)));
    }
    return text;
  }

  private static long seed(String text) {
    try {
      return Long.parseLong(text);
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          "--seed: %s (expected: a number as an earlier run has printed it)".formatted(text), e);
    }
  }
}
