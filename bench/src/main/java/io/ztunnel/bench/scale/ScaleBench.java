package io.ztunnel.bench.scale;

import io.ztunnel.bench.load.Figure;
import io.ztunnel.bench.load.JsonReport;
import io.ztunnel.bench.load.Machine;
import io.ztunnel.bench.load.MarkdownReport;
import io.ztunnel.bench.load.Spread;
import io.ztunnel.bench.load.Target;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;

/**
 * Measures one daemon with meshes of many workloads, fed by a control plane in another process. For
 * one thread.
 */
public final class ScaleBench {
  private static final double MEBIBYTE = 1 << 20;
  private static final int SMALLER_SIZE = 50_000;

  private final List<Figure> figures = new ArrayList<>();
  private final StringBuilder connections = new StringBuilder();
  private final StringBuilder memory = new StringBuilder();

  private ScaleBench() {}

  /** What a mesh of one size is held to. */
  private record Expectation(
      double readySeconds,
      double mebibytes,
      double peakMebibytes,
      double pushMillis,
      double changesMillis,
      double restartMillis) {
    /** Those of the next size that is asked for. */
    static Expectation of(int workloads) {
      return workloads <= SMALLER_SIZE
          ? new Expectation(1.5, 15, 80, 10, 10, 10)
          : new Expectation(3, 60, 250, 20, 10, 15);
    }
  }

  /**
   * Measures, and prints Markdown tables.
   *
   * @param launcher the project's {@code ztunnel} script
   * @param progress what is going on, line by line
   */
  public static void run(
      Path launcher, List<String> arguments, PrintStream out, PrintStream progress)
      throws IOException {
    ScaleOptions options = ScaleOptions.parse(arguments);
    Map<String, String> machine = Machine.facts(); // before the load is ours
    ScaleBench bench = new ScaleBench();
    try (ScaleLab lab = new ScaleLab(launcher, progress)) {
      long emptyHeap = lab.emptyHeapBytes();
      long empty = lab.emptyResidentBytes(options.settle());
      progress.printf("empty daemon: %.1f MiB%n", empty / MEBIBYTE);
      for (int size : options.sizes()) {
        List<ScaleRound> rounds = new ArrayList<>();
        for (int round = 1; round <= options.rounds(); round++) {
          progress.printf("%d workloads, round %d%n", size, round);
          rounds.add(lab.measure(size, options));
        }
        bench.add(size, rounds, empty, emptyHeap);
      }
      out.printf(
          "%n%s; %d %s; an empty daemon has %.0f MiB; median [min-max].%n%n",
          String.join(", ", machine.values()),
          options.rounds(),
          options.rounds() == 1 ? "round" : "rounds",
          empty / MEBIBYTE);
    }
    bench.print(out);
    if (options.json().isPresent()) {
      JsonReport.write(options.json().get(), bench.figures, machine);
    }
  }

  private void print(PrintStream out) {
    out.print(
        """
        | workloads | during | connections | p50 | p99 | worst | direct TCP: p99 | worst | failed |
        |---:|---|---:|---:|---:|---:|---:|---:|---:|
        """);
    out.println(connections);
    out.print(
        """
        | workloads | a minute after the start | at its peak until then | at its peak | heap/workload |
        |---:|---:|---:|---:|---:|
        """);
    out.println(memory);
    out.print(MarkdownReport.render(figures, Map.of()));
  }

  private void add(int size, List<ScaleRound> rounds, long empty, long emptyHeap) {
    for (Phase phase : Phase.values()) {
      connections.append(
          "| %d | %s | %d | %s | %s | %s ms | %s | %s ms | %d |%n"
              .formatted(
                  size,
                  phase.title(),
                  rounds.stream().mapToLong(round -> meshed(round, phase).connections()).sum(),
                  spread(rounds, round -> meshed(round, phase).p50()),
                  spread(rounds, round -> meshed(round, phase).p99()),
                  spread(rounds, round -> meshed(round, phase).worst()),
                  spread(rounds, round -> direct(round, phase).p99()),
                  spread(rounds, round -> direct(round, phase).worst()),
                  rounds.stream().mapToLong(round -> meshed(round, phase).failures()).sum()));
    }
    memory.append(
        "| %d | %s MiB | %s MiB | %s MiB | %s B |%n"
            .formatted(
                size,
                spread(rounds, round -> round.settled() / MEBIBYTE),
                spread(rounds, round -> round.startPeak() / MEBIBYTE),
                spread(rounds, round -> round.peak() / MEBIBYTE),
                spread(rounds, round -> (double) (round.heapBytes() - emptyHeap) / size)));

    Expectation expected = Expectation.of(size);
    Function<String, String> named = name -> "%d workloads: %s".formatted(size, name);
    add(
        named.apply("start to ready"),
        "s",
        rounds,
        ScaleRound::readySeconds,
        expected.readySeconds);
    add(
        named.apply("memory above empty, a minute later"),
        "MiB",
        rounds,
        round -> (round.settled() - empty) / MEBIBYTE,
        expected.mebibytes);
    add(
        named.apply("memory above empty, at its peak"),
        "MiB",
        rounds,
        round -> (round.peak() - empty) / MEBIBYTE,
        expected.peakMebibytes);
    addWorst(named, rounds, Phase.PUSH, expected.pushMillis);
    addWorst(named, rounds, Phase.CHANGES, expected.changesMillis);
    addWorst(named, rounds, Phase.RESTART, expected.restartMillis);
  }

  private void addWorst(
      Function<String, String> named, List<ScaleRound> rounds, Phase phase, double expected) {
    add(
        named.apply("worst new connection during " + phase.title()),
        "ms",
        rounds,
        round -> meshed(round, phase).worst(),
        expected);
  }

  private void add(
      String name,
      String unit,
      List<ScaleRound> rounds,
      ToDoubleFunction<ScaleRound> value,
      double atMost) {
    figures.add(new Figure(name, unit, of(rounds, value), new Target.AtMost(atMost)));
  }

  private static Latency meshed(ScaleRound round, Phase phase) {
    return measured(round.meshed(), phase);
  }

  private static Latency direct(ScaleRound round, Phase phase) {
    return measured(round.direct(), phase);
  }

  private static Latency measured(Map<Phase, Latency> latencies, Phase phase) {
    Latency latency = latencies.get(phase);
    if (latency == null) {
      throw new IllegalStateException(phase + " was not measured (expected: all phases)");
    }
    return latency;
  }

  private static String spread(List<ScaleRound> rounds, ToDoubleFunction<ScaleRound> value) {
    return MarkdownReport.spread(of(rounds, value));
  }

  private static Spread of(List<ScaleRound> rounds, ToDoubleFunction<ScaleRound> value) {
    return Spread.of(rounds.stream().mapToDouble(value).boxed().toList());
  }
}
