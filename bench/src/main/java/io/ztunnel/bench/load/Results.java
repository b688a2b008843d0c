package io.ztunnel.bench.load;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.ToDoubleFunction;

/**
 * Everything that one call of the bench has measured, in the order of measuring. For one thread.
 */
final class Results {
  private final MeshPath path;
  private final List<Arrangement> arrangements;
  private final SequencedMap<Load, Map<Arrangement, List<Run>>> runs = new LinkedHashMap<>();
  private final Map<Arrangement, List<EchoTimes>> echoes = new EnumMap<>(Arrangement.class);
  private final List<Figure> otherFigures = new ArrayList<>();

  /**
   * @param path what is measured beside direct TCP
   * @param arrangements what each load is run over
   */
  Results(MeshPath path, List<Arrangement> arrangements) {
    this.path = path;
    this.arrangements = List.copyOf(arrangements);
  }

  /** What was measured beside direct TCP. */
  MeshPath path() {
    return path;
  }

  /** What each load is run over. */
  List<Arrangement> arrangements() {
    return arrangements;
  }

  void add(Load load, Arrangement arrangement, Run run) {
    runs.computeIfAbsent(load, _ -> new EnumMap<>(Arrangement.class))
        .computeIfAbsent(arrangement, _ -> new ArrayList<>())
        .add(run);
  }

  void add(Arrangement arrangement, EchoTimes times) {
    echoes.computeIfAbsent(arrangement, _ -> new ArrayList<>()).add(times);
  }

  /** One byte's times, one a round; empty if there are none. */
  List<EchoTimes> echoes(Arrangement arrangement) {
    return echoes.getOrDefault(arrangement, List.of());
  }

  /** The times of these daemons over those of the ones beside, round by round. */
  Spread echoesOverBeside(ToDoubleFunction<EchoTimes> value) {
    return Spread.ofRatios(
        column(echoes(Arrangement.MESH), value), column(echoes(Arrangement.BESIDE), value));
  }

  /** A figure that is not of a load: memory, start-up. */
  void add(Figure figure) {
    otherFigures.add(figure);
  }

  List<Load> loads() {
    return List.copyOf(runs.keySet());
  }

  /** The runs of one cell, one a round; empty if there are none. */
  List<Run> runs(Load load, Arrangement arrangement) {
    return runs.getOrDefault(load, Map.of()).getOrDefault(arrangement, List.of());
  }

  /** The rate of these daemons over that of the ones beside, round by round. */
  Spread rateOverBeside(Load load) {
    return overBeside(load, Run::rate);
  }

  /** The CPU time per work of these daemons over that of the ones beside, round by round. */
  Spread cpuOverBeside(Load load) {
    return overBeside(load, Run::cpuSecondsPerWork);
  }

  private Spread overBeside(Load load, ToDoubleFunction<Run> value) {
    return Spread.ofRatios(
        column(load, Arrangement.MESH, value), column(load, Arrangement.BESIDE, value));
  }

  /** What the work order asks for, as far as it was measured. */
  List<Figure> figures() {
    List<Figure> figures = new ArrayList<>();
    for (Load load : runs.keySet()) {
      if (!runs(load, Arrangement.MESH).isEmpty() && !runs(load, Arrangement.DIRECT).isEmpty()) {
        addFigures(load, figures);
      }
    }
    if (!echoes(Arrangement.MESH).isEmpty()) {
      figures.add(
          new Figure(
              "byte on a new connection",
              "ms",
              spreadOfEchoes(Arrangement.MESH, EchoTimes::newMillis),
              new Target.AtMost(0.8)));
      figures.add(
          new Figure(
              "byte on an existing connection",
              "us",
              spreadOfEchoes(Arrangement.MESH, EchoTimes::existingMicros),
              new Target.AtMost(265)));
    }
    figures.addAll(otherFigures);
    return List.copyOf(figures);
  }

  private void addFigures(Load load, List<Figure> figures) {
    Load.Expectation expected = load.expectation();
    if (expected.timesDirect() > 0) {
      figures.add(
          new Figure(
              load.name() + ": rate",
              "x direct",
              Spread.ofRatios(
                  column(load, Arrangement.MESH, Run::rate),
                  column(load, Arrangement.DIRECT, Run::rate)),
              new Target.AtLeast(expected.timesDirect())));
    }
    if (Double.isFinite(expected.p99TimesDirect())) {
      figures.add(
          new Figure(
              load.name() + ": p99",
              "x direct",
              Spread.ofRatios(
                  column(load, Arrangement.MESH, Run::p99Micros),
                  column(load, Arrangement.DIRECT, Run::p99Micros)),
              new Target.AtMost(expected.p99TimesDirect())));
    }
    if (Double.isFinite(expected.cpu())) {
      double scale = cpuScale(load);
      figures.add(
          new Figure(
              load.name() + ": CPU of " + path.all(),
              cpuUnit(load),
              Spread.of(
                  runs(load, Arrangement.MESH).stream()
                      .map(run -> run.cpuSecondsPerWork() * scale)
                      .toList()),
              new Target.AtMost(expected.cpu())));
    }
  }

  static String cpuUnit(Load load) {
    return switch (load) {
      case Load.Bulk _ -> "s/GB";
      case Load.Http _ -> "us/request";
      case Load.NewConnections _ -> "us/connection";
    };
  }

  static double cpuScale(Load load) {
    return switch (load) {
      case Load.Bulk _ -> 1;
      case Load.Http _, Load.NewConnections _ -> 1e6;
    };
  }

  Spread spreadOfEchoes(Arrangement arrangement, ToDoubleFunction<EchoTimes> value) {
    return Spread.of(echoes(arrangement).stream().mapToDouble(value).boxed().toList());
  }

  private double[] column(Load load, Arrangement arrangement, ToDoubleFunction<Run> value) {
    return column(runs(load, arrangement), value);
  }

  private static <T> double[] column(List<T> rounds, ToDoubleFunction<T> value) {
    return rounds.stream().mapToDouble(value).toArray();
  }
}
