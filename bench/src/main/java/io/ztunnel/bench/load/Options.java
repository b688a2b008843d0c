package io.ztunnel.bench.load;

import io.ztunnel.bench.lab.OptionValue;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * How to measure.
 *
 * @param path what is measured beside direct TCP
 * @param rounds how often each load is run over each arrangement
 * @param runTime how long one run lasts
 * @param warmUp how long each load runs over the daemons before the first round
 * @param thinning of how many calls one is made, where calls are counted and not timed
 * @param groups what is measured
 * @param json where the results go as JSON too
 * @param against such a file of an earlier call, to compare with
 * @param beside the directory of another build, which is run in the same rounds
 * @param with variables of other daemons, of that build or else of this one, which are run in the
 *     same rounds
 */
record Options(
    MeshPath path,
    int rounds,
    Duration runTime,
    Duration warmUp,
    int thinning,
    Set<String> groups,
    Optional<Path> json,
    Optional<Path> against,
    Optional<Path> beside,
    Map<String, String> with) {
  Options {
    with = Map.copyOf(with);
  }

  private static final int MAX_ROUNDS = 100;

  /**
   * Reads the command line.
   *
   * @throws IllegalArgumentException with the argument that is wrong and what was expected
   */
  static Options parse(List<String> arguments) {
    int rounds = 0;
    boolean quick = false;
    MeshPath path = MeshPath.SINGLE;
    Optional<String> only = Optional.empty();
    Optional<Path> json = Optional.empty();
    Optional<Path> against = Optional.empty();
    Optional<Path> beside = Optional.empty();
    Map<String, String> with = new TreeMap<>();
    Iterator<String> rest = arguments.iterator();
    while (rest.hasNext()) {
      String option = rest.next();
      switch (option) {
        case "--quick" -> quick = true;
        case "--rounds" -> rounds = number(option, OptionValue.next(option, rest));
        case "--path" -> path = path(OptionValue.next(option, rest));
        case "--only" -> only = Optional.of(OptionValue.next(option, rest));
        case "--json" -> json = Optional.of(Path.of(OptionValue.next(option, rest)));
        case "--against" -> against = Optional.of(Path.of(OptionValue.next(option, rest)));
        case "--beside" -> beside = Optional.of(directory(option, OptionValue.next(option, rest)));
        case "--with" -> addVariable(OptionValue.next(option, rest), with);
        default ->
            throw new IllegalArgumentException(
                option
                    + " (expected: --path PATH, --quick, --rounds N, --only"
                    + " GROUP[,GROUP...], --json FILE, --against FILE, --beside DIRECTORY or"
                    + " --with NAME=VALUE)");
      }
    }
    return new Options(
        path,
        rounds > 0 ? rounds : quick ? 1 : 3,
        Duration.ofSeconds(quick ? 2 : 5),
        Duration.ofSeconds(quick ? 4 : 10),
        quick ? 5 : 1,
        only.isPresent() ? groups(path, only.get()) : path.groups(),
        json,
        against,
        beside,
        with);
  }

  /** What each load is run over. */
  List<Arrangement> arrangements() {
    List<Arrangement> all = new ArrayList<>(path.arrangements());
    if (besideOf(Path.of("")).isPresent()) {
      all.add(Arrangement.BESIDE);
    }
    return List.copyOf(all);
  }

  /** Those that are made of so many calls. */
  int thinned(int calls) {
    return Math.max(1, calls / thinning);
  }

  /** Other daemons that are measured in the same rounds. */
  record Beside(Path launcher, Map<String, String> variables) {}

  /**
   * Those, if there are any.
   *
   * @param launcher of this build
   */
  Optional<Beside> besideOf(Path launcher) {
    return beside.isEmpty() && with.isEmpty()
        ? Optional.empty()
        : Optional.of(
            new Beside(
                beside.map(directory -> directory.resolve("ztunnel")).orElse(launcher), with));
  }

  private static void addVariable(String text, Map<String, String> variables) {
    int equals = text.indexOf('=');
    if (equals < 1) {
      throw new IllegalArgumentException("--with: %s (expected: NAME=VALUE)".formatted(text));
    }
    variables.put(text.substring(0, equals), text.substring(equals + 1));
  }

  private static int number(String option, String text) {
    if (text.matches("\\d{1,3}")) {
      int number = Integer.parseInt(text);
      if (number >= 1 && number <= MAX_ROUNDS) {
        return number;
      }
    }
    throw new IllegalArgumentException(
        "%s: %s (expected: 1 to %d)".formatted(option, text, MAX_ROUNDS));
  }

  private static Path directory(String option, String text) {
    Path directory = Path.of(text).toAbsolutePath();
    if (!Files.isExecutable(directory.resolve("ztunnel"))) {
      throw new IllegalArgumentException(
          "%s: %s has no ztunnel that can be run (expected: a directory where one was built)"
              .formatted(option, text));
    }
    return directory;
  }

  private static MeshPath path(String text) {
    return switch (text) {
      case "single" -> MeshPath.SINGLE;
      case "double" -> MeshPath.DOUBLE;
      default ->
          throw new IllegalArgumentException("--path: " + text + " (expected: single or double)");
    };
  }

  private static Set<String> groups(MeshPath path, String text) {
    Set<String> groups = new TreeSet<>(List.of(text.split(",", -1)));
    for (String group : groups) {
      if (!path.groups().contains(group)) {
        throw new IllegalArgumentException(
            "--only: %s (expected: some of %s)"
                .formatted(group, String.join(",", new TreeSet<>(path.groups()))));
      }
    }
    return groups;
  }
}
