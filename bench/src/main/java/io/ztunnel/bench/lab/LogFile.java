package io.ztunnel.bench.lab;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * What a program writes, from a line on. Immutable; the file grows.
 *
 * @param begin how many lines are left out
 */
record LogFile(Path path, int begin) {
  private static final Duration DEADLINE = Duration.ofSeconds(5);

  static LogFile of(Path path) {
    return new LogFile(path, 0);
  }

  static LogFile of(Daemon daemon) {
    return of(daemon.log());
  }

  /** Those of daemons, without what they have written so far. */
  static List<LogFile> fromNow(List<Daemon> daemons) throws IOException {
    List<LogFile> logs = new ArrayList<>();
    for (Daemon daemon : daemons) {
      logs.add(of(daemon).fromNow());
    }
    return List.copyOf(logs);
  }

  /** Leaves out what is there. */
  LogFile fromNow() throws IOException {
    return new LogFile(path, begin + lines().size());
  }

  /** The lines so far. */
  List<String> lines() throws IOException {
    return Files.readAllLines(path).stream().skip(begin).toList();
  }

  /** Waits a moment for the first line that has all the words. */
  String await(String... words) throws IOException {
    return await(DEADLINE, words);
  }

  String await(Duration deadline, String... words) throws IOException {
    return awaitAny(List.of(this), deadline, words);
  }

  /** Waits a moment for the first line of any of the files that has all the words. */
  static String awaitAny(List<LogFile> logs, String... words) throws IOException {
    return awaitAny(logs, DEADLINE, words);
  }

  private static String awaitAny(List<LogFile> logs, Duration deadline, String... words)
      throws IOException {
    long end = System.nanoTime() + deadline.toNanos();
    while (true) {
      for (LogFile log : logs) {
        Optional<String> found =
            log.lines().stream()
                .filter(line -> Stream.of(words).allMatch(line::contains))
                .findFirst();
        if (found.isPresent()) {
          return found.get();
        }
      }
      if (System.nanoTime() > end) {
        throw new IOException(
            "no line with %s in %s"
                .formatted(
                    String.join(", ", words),
                    logs.stream().map(log -> log.path().getFileName()).toList()));
      }
      Pause.of(Duration.ofMillis(20));
    }
  }
}
