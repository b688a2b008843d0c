package io.ztunnel.bench.lab;

import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * A program of a pod that makes one call after the other while something else is done. For one
 * thread.
 */
final class CallSeries {
  private static final int CALLS_PER_SECOND = 20;
  private static final int A_FEW = 10;
  private static final Duration DEADLINE = Duration.ofSeconds(10);

  private final LogFile answers;
  private final Process process;

  /** Calls in a row that had the same answer. */
  record Stretch(String answer, int calls) {}

  private CallSeries(LogFile answers, Process process) {
    this.answers = answers;
    this.process = process;
  }

  /** Asks for a page, each time on a new connection, until {@link #finish}. */
  static CallSeries start(Lab lab, Lab.Pod pod, String url, Story story) throws IOException {
    Path file = lab.directory().resolve("calls.log");
    List<String> command = new ArrayList<>(List.of("curl", "--silent", "--show-error"));
    command.addAll(List.of("--no-buffer", "--max-time", "5"));
    command.addAll(List.of("--rate", CALLS_PER_SECOND + "/s", url + "?[1-10000]"));
    story.command("ip netns exec " + pod.namespace() + ' ' + String.join(" ", command));
    Process process = pod.spawn(file, command.toArray(String[]::new));
    return new CallSeries(LogFile.of(file), process);
  }

  /** Waits for a few more answers, and then for one of that text. */
  void await(String answer) throws IOException {
    LogFile from = new LogFile(answers.path(), answers.lines().size() + A_FEW);
    String _ = from.await(DEADLINE, answer);
  }

  /** Ends the program; what it heard, and fails if one call has failed. */
  List<Stretch> finish() throws IOException {
    process.destroy();
    List<Stretch> stretches = new ArrayList<>();
    for (String line : answers.lines()) {
      if (line.startsWith("curl:")) {
        throw new IOException("call %d: %s".formatted(total(stretches) + 1, line));
      }
      Stretch last = stretches.isEmpty() ? null : stretches.getLast();
      if (last != null && last.answer().equals(line)) {
        stretches.set(stretches.size() - 1, new Stretch(line, last.calls() + 1));
      } else {
        stretches.add(new Stretch(line, 1));
      }
    }
    return stretches;
  }

  private static int total(List<Stretch> stretches) {
    return stretches.stream().mapToInt(Stretch::calls).sum();
  }
}
