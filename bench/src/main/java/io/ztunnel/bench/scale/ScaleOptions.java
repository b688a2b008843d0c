package io.ztunnel.bench.scale;

import io.ztunnel.bench.lab.OptionValue;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;

/**
 * How to measure.
 *
 * @param sizes numbers of workloads
 * @param settle when memory is looked at after the start
 * @param changing how long changes go on
 * @param quiet how long it is measured while nothing happens
 * @param aftermath what is left between phases, for what comes later than its cause
 */
record ScaleOptions(
    List<Integer> sizes,
    int rounds,
    Duration settle,
    Duration changing,
    Duration quiet,
    Duration aftermath,
    Optional<Path> json) {
  private static final Duration QUIET = Duration.ofSeconds(10);
  private static final Duration AFTERMATH = Duration.ofSeconds(2);
  private static final List<Integer> REAL_SIZES = List.of(50_000, 200_000);
  private static final int MAX_ROUNDS = 100;
  private static final int MAX_WORKLOADS = 1_000_000;

  /**
   * Reads the command line.
   *
   * @throws IllegalArgumentException with the argument that is wrong and what was expected
   */
  static ScaleOptions parse(List<String> arguments) {
    List<Integer> sizes = REAL_SIZES;
    int rounds = 0;
    boolean quick = false;
    Optional<Path> json = Optional.empty();
    Iterator<String> rest = arguments.iterator();
    while (rest.hasNext()) {
      String option = rest.next();
      switch (option) {
        case "--quick" -> quick = true;
        case "--rounds" -> rounds = number(option, OptionValue.next(option, rest), MAX_ROUNDS);
        case "--sizes" -> {
          sizes = new ArrayList<>();
          for (String size : OptionValue.next(option, rest).split(",", -1)) {
            sizes.add(number(option, size, MAX_WORKLOADS));
          }
        }
        case "--json" -> json = Optional.of(Path.of(OptionValue.next(option, rest)));
        default ->
            throw new IllegalArgumentException(
                option
                    + " (expected: --quick, --rounds N, --sizes WORKLOADS[,WORKLOADS...] or --json"
                    + " FILE)");
      }
    }
    return new ScaleOptions(
        List.copyOf(sizes),
        rounds > 0 ? rounds : quick ? 1 : 3,
        quick ? Duration.ofSeconds(15) : Duration.ofMinutes(1),
        Duration.ofSeconds(quick ? 5 : 20),
        QUIET,
        AFTERMATH,
        json);
  }

  private static int number(String option, String text, int most) {
    if (text.matches("\\d{1,7}")) {
      int number = Integer.parseInt(text);
      if (number >= 1 && number <= most) {
        return number;
      }
    }
    throw new IllegalArgumentException("%s: %s (expected: 1 to %d)".formatted(option, text, most));
  }
}
