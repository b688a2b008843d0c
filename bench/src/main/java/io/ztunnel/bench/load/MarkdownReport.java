package io.ztunnel.bench.load;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.StringJoiner;
import java.util.function.ToDoubleFunction;

/** The results as two Markdown tables: what was measured, and what of it was asked for. */
public final class MarkdownReport {
  private MarkdownReport() {}

  /**
   * @param earlier medians of an earlier report by figure name, to compare with; may be empty
   */
  static String render(Results results, Map<String, Double> earlier) {
    StringBuilder text = new StringBuilder();
    if (!results.loads().isEmpty()) {
      renderLoads(results, text);
    }
    if (!results.echoes(Arrangement.MESH).isEmpty()) {
      renderEchoes(results, text);
    }
    return text.append(render(results.figures(), earlier)).toString();
  }

  /** As above, of figures alone; empty if there are none. */
  public static String render(List<Figure> figures, Map<String, Double> earlier) {
    StringBuilder text = new StringBuilder();
    if (!figures.isEmpty()) {
      text.append(earlier.isEmpty() ? FIGURES_HEAD : FIGURES_HEAD_EARLIER);
      figures.forEach(figure -> renderFigure(figure, earlier, text));
      long met = figures.stream().filter(Figure::isMet).count();
      text.append("\n%d of %d figures reached.%n".formatted(met, figures.size()));
    }
    return text.toString();
  }

  private static final String FIGURES_HEAD =
      """

      | figure | measured, median [min-max] | target | |
      |---|---:|---:|---|
      """;

  private static final String FIGURES_HEAD_EARLIER =
      """

      | figure | measured, median [min-max] | target | | before | now / before |
      |---|---:|---:|---|---:|---:|
      """;

  private static void renderLoads(Results results, StringBuilder text) {
    StringJoiner head = new StringJoiner(" | ", "| load | ", " |\n");
    StringJoiner rule = new StringJoiner("|", "|---|", "|\n");
    for (Arrangement arrangement : results.arrangements()) {
      head.add(results.path().title(arrangement));
      rule.add("---:");
    }
    for (Arrangement arrangement : withCpu(results)) {
      head.add("CPU of " + results.path().title(arrangement));
      rule.add("---:");
    }
    text.append(head).append(rule);
    for (Load load : results.loads()) {
      StringJoiner row = new StringJoiner(" | ", "| " + load.name() + " | ", " |\n");
      for (Arrangement arrangement : results.arrangements()) {
        row.add(cell(load, results.runs(load, arrangement)));
      }
      for (Arrangement arrangement : withCpu(results)) {
        row.add(cpuCell(load, results.runs(load, arrangement)));
      }
      text.append(row);
    }
    if (results.arrangements().contains(Arrangement.BESIDE)) {
      renderBeside(results, text);
    }
  }

  /** Those with something between the pods. */
  private static List<Arrangement> withCpu(Results results) {
    return results.arrangements().stream()
        .filter(arrangement -> arrangement != Arrangement.DIRECT)
        .toList();
  }

  private static void renderBeside(Results results, StringBuilder text) {
    text.append(
        """

        | these daemons / those beside | rate | CPU |
        |---|---:|---:|
        """);
    for (Load load : results.loads()) {
      text.append(
          "| %s | %s | %s |%n"
              .formatted(
                  load.name(),
                  spread(results.rateOverBeside(load)),
                  spread(results.cpuOverBeside(load))));
    }
  }

  private static void renderEchoes(Results results, StringBuilder text) {
    StringJoiner head = new StringJoiner(" | ", "\n| one byte there and back | ", " |\n");
    StringJoiner rule = new StringJoiner("|", "|---|", "|\n");
    StringJoiner ofNew = new StringJoiner(" | ", "| on a new connection | ", " |\n");
    StringJoiner ofExisting = new StringJoiner(" | ", "| on an existing connection | ", " |\n");
    for (Arrangement arrangement : Arrangement.values()) {
      if (!results.echoes(arrangement).isEmpty()) {
        head.add(results.path().title(arrangement));
        rule.add("---:");
        ofNew.add(spread(results.spreadOfEchoes(arrangement, EchoTimes::newMillis)) + " ms");
        ofExisting.add(
            spread(results.spreadOfEchoes(arrangement, EchoTimes::existingMicros)) + " us");
      }
    }
    if (!results.echoes(Arrangement.BESIDE).isEmpty()) {
      head.add("these daemons / those beside");
      rule.add("---:");
      ofNew.add(spread(results.echoesOverBeside(EchoTimes::newMillis)));
      ofExisting.add(spread(results.echoesOverBeside(EchoTimes::existingMicros)));
    }
    text.append(head).append(rule).append(ofNew).append(ofExisting);
  }

  private static String cell(Load load, List<Run> runs) {
    if (runs.isEmpty()) {
      return "";
    }
    String rate = spread(of(runs, Run::rate)) + ' ' + rateUnit(load);
    long errors = runs.stream().mapToLong(Run::errors).sum();
    String failed = errors == 0 ? "" : "; **" + errors + " failed**";
    return switch (load) {
      case Load.Bulk _ -> rate + failed;
      case Load.Http _, Load.NewConnections _ ->
          "%s; p50 %s, p99 %s us%s"
              .formatted(
                  rate,
                  number(of(runs, Run::p50Micros).median()),
                  number(of(runs, Run::p99Micros).median()),
                  failed);
    };
  }

  private static String cpuCell(Load load, List<Run> runs) {
    if (runs.isEmpty()) {
      return "";
    }
    double scale = Results.cpuScale(load);
    return spread(of(runs, run -> run.cpuSecondsPerWork() * scale)) + ' ' + Results.cpuUnit(load);
  }

  private static void renderFigure(Figure figure, Map<String, Double> earlier, StringBuilder text) {
    String target =
        switch (figure.target()) {
          case Target.AtLeast(double bound) -> ">= " + number(bound);
          case Target.AtMost(double bound) -> "<= " + number(bound);
        };
    text.append(
        "| %s | %s %s | %s | %s |"
            .formatted(
                figure.name(),
                spread(figure.measured()),
                figure.unit(),
                target,
                figure.isMet() ? "OK" : "**MISS**"));
    if (!earlier.isEmpty()) {
      Double before = earlier.get(figure.name());
      text.append(
          before == null
              ? " | |"
              : " %s | %s |"
                  .formatted(number(before), number(figure.measured().median() / before)));
    }
    text.append('\n');
  }

  private static String rateUnit(Load load) {
    return switch (load) {
      case Load.Bulk _ -> "Gbit/s";
      case Load.Http _, Load.NewConnections _ -> "/s";
    };
  }

  private static Spread of(List<Run> runs, ToDoubleFunction<Run> value) {
    return Spread.of(runs.stream().mapToDouble(value).boxed().toList());
  }

  /** The median, and what lies around it if that is not the same. */
  public static String spread(Spread spread) {
    String median = number(spread.median());
    return spread.min() == spread.max()
        ? median
        : "%s [%s-%s]".formatted(median, number(spread.min()), number(spread.max()));
  }

  /** Three significant digits are all that such measurements carry. */
  static String number(double value) {
    double size = Math.abs(value);
    if (size >= 10_000) {
      return String.format(Locale.ROOT, "%.1fk", value / 1000);
    }
    String format = size >= 100 ? "%.0f" : size >= 10 ? "%.1f" : "%.2f";
    return String.format(Locale.ROOT, format, value);
  }
}
