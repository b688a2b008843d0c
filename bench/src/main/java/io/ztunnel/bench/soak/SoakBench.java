package io.ztunnel.bench.soak;

import io.ztunnel.bench.lab.LiveObjects;
import io.ztunnel.bench.load.Figure;
import io.ztunnel.bench.load.JsonReport;
import io.ztunnel.bench.load.Machine;
import io.ztunnel.bench.load.MarkdownReport;
import io.ztunnel.bench.load.Spread;
import io.ztunnel.bench.load.Target;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;

/**
 * Uses the daemons of two joined clusters in all ways for long, and tells what of it they still
 * hold when nobody uses them any more. For one thread.
 */
public final class SoakBench {
  private static final int SHOWN_CLASSES = 10;
  private static final int SHOWN_LINES = 20;
  private static final int SHOWN_CHARACTERS = 300;
  private static final long NOTABLE_BYTES = 4096;
  private static final int MOST_KIBIBYTES = 1024;

  private final SoakOptions options;
  private final PrintStream progress;
  private final List<Map<String, Rest>> rests = new ArrayList<>();

  /** What a daemon that was there after half of the turns held then, and holds now. */
  private record Stretch(String daemon, Rest half, Rest last) {}

  private SoakBench(SoakOptions options, PrintStream progress) {
    this.options = options;
    this.progress = progress;
  }

  /**
   * Uses them, and prints Markdown tables.
   *
   * @param launcher the project's {@code ztunnel} script
   * @param progress what is going on, line by line
   */
  public static void run(
      Path launcher, List<String> arguments, PrintStream out, PrintStream progress)
      throws IOException {
    Map<String, String> machine = Machine.facts(); // before the load is ours
    SoakOptions options = SoakOptions.parse(arguments);
    try (SoakLab lab = new SoakLab(launcher, options.transport(), progress)) {
      lab.start();
      List<Figure> figures = new SoakBench(options, progress).soak(lab, machine, out);
      if (options.json().isPresent()) {
        JsonReport.write(options.json().get(), figures, machine);
      }
    }
  }

  private List<Figure> soak(SoakLab lab, Map<String, String> machine, PrintStream out)
      throws IOException {
    progress.printf("seed %d%n", options.seed());
    Random random = new Random(options.seed());
    long begin = System.nanoTime();
    for (int turn = 1; turn <= options.turns(); turn++) {
      lab.disturb(options.turmoil(), random);
      rests.add(lab.rest());
      tell(turn, lab);
    }
    out.printf(
        "%n%s; %s, %d minutes in %d turns, seed %d.%n%n",
        String.join(", ", machine.values()),
        options.transport(),
        Duration.ofNanos(System.nanoTime() - begin).toMinutes(),
        options.turns(),
        options.seed());
    printCalls(lab, out);
    printRests(out);
    printClasses(out);
    List<String> alarming = lab.alarmingLines();
    printLines("alarming lines", alarming, out);
    for (Route route : lab.routes()) {
      printLines("wrong, " + route.title(), route.wrong(), out);
      printLines("failed, " + route.title(), route.failed(), out);
    }
    List<Figure> figures = figures(lab, alarming.size());
    out.print(MarkdownReport.render(figures, Map.of()));
    return figures;
  }

  private void tell(int turn, SoakLab lab) {
    progress.printf(
        "turn %d of %d: %d calls, %d of them failed, %d wrong; %d rude ones, %d pods%n",
        turn,
        options.turns(),
        lab.routes().stream().mapToLong(Route::calls).sum(),
        failed(lab),
        wrong(lab),
        lab.rudeCalls(),
        lab.changes().pods());
    rests
        .getLast()
        .forEach(
            (daemon, rest) ->
                progress.printf(
                    "  %-14s %d descriptors, %d threads, %.0f KiB live, %.1f MiB resident%n",
                    daemon,
                    rest.descriptors(),
                    rest.threads(),
                    kibibytes(rest.objects().bytes()),
                    kibibytes(rest.residentBytes()) / 1024));
  }

  private static int failed(SoakLab lab) {
    return lab.routes().stream().mapToInt(route -> route.failed().size()).sum();
  }

  private static int wrong(SoakLab lab) {
    return lab.routes().stream().mapToInt(route -> route.wrong().size()).sum();
  }

  private static void printCalls(SoakLab lab, PrintStream out) {
    out.print(
        """
        | what was done | |
        |---|---:|
        """);
    for (Route route : lab.routes()) {
      out.printf("| calls whose bytes were checked, %s | %d |%n", route.title(), route.calls());
    }
    out.printf("| calls broken off, or to nobody | %d |%n", lab.rudeCalls());
    out.printf("| names asked for | %d |%n", lab.questions());
    out.printf("| pods that came and went | %d |%n", lab.changes().pods());
    out.printf("| policies that came and went | %d |%n", lab.changes().policies());
    out.printf("| certificates that were revoked | %d |%n", lab.changes().revoked());
    out.printf(
        "| streams of a control plane that ended, restarts of an agent | %d |%n",
        lab.changes().restarts());
    out.printf("| daemons that others took over from | %d |%n", lab.changes().updates());
  }

  /** Each number after half of the turns, when all caches are full, and after the last. */
  private void printRests(PrintStream out) {
    out.print(
        """

        | daemon, after half of the turns -> after the last | descriptors | threads | live heap, KiB | resident, MiB |
        |---|---:|---:|---:|---:|
        """);
    for (Stretch stretch : stretches()) {
      Rest half = stretch.half();
      Rest last = stretch.last();
      out.printf(
          "| %s | %d -> %d | %d -> %d | %.0f -> %.0f | %.1f -> %.1f |%n",
          stretch.daemon(),
          half.descriptors(),
          last.descriptors(),
          half.threads(),
          last.threads(),
          kibibytes(half.objects().bytes()),
          kibibytes(last.objects().bytes()),
          kibibytes(half.residentBytes()) / 1024,
          kibibytes(last.residentBytes()) / 1024);
    }
    Set<String> later = new TreeSet<>(rests.getLast().keySet());
    stretches().forEach(stretch -> later.remove(stretch.daemon()));
    if (!later.isEmpty()) {
      out.printf("%nLater have begun: %s.%n", String.join(", ", later));
    }
  }

  private List<Stretch> stretches() {
    Map<String, Rest> half = rests.get(rests.size() / 2);
    return rests.getLast().entrySet().stream()
        .filter(entry -> half.containsKey(entry.getKey()))
        .map(
            entry ->
                new Stretch(
                    entry.getKey(),
                    Objects.requireNonNull(half.get(entry.getKey())),
                    entry.getValue()))
        .toList();
  }

  private void printClasses(PrintStream out) {
    out.println();
    for (Stretch stretch : stretches()) {
      for (LiveObjects.Growth growth :
          stretch.last().objects().grownSince(stretch.half().objects()).stream()
              .filter(each -> each.bytes() >= NOTABLE_BYTES)
              .limit(SHOWN_CLASSES)
              .toList()) {
        out.printf(
            "%s: %+.1f KiB of %s%n",
            stretch.daemon(), kibibytes(growth.bytes()), growth.className());
      }
      stretch
          .last()
          .descriptorsGrownSince(stretch.half())
          .forEach((kind, numbers) -> out.printf("%s: %s: %s%n", stretch.daemon(), kind, numbers));
    }
  }

  private static void printLines(String title, List<String> lines, PrintStream out) {
    if (!lines.isEmpty()) {
      out.printf("%s, %d:%n", title, lines.size());
      lines.stream()
          .limit(SHOWN_LINES)
          .map(line -> line.substring(0, Math.min(SHOWN_CHARACTERS, line.length())))
          .forEach(line -> out.println("    " + line));
    }
  }

  private List<Figure> figures(SoakLab lab, int alarming) {
    List<Stretch> stretches = stretches();
    return List.of(
        count("lost or changed bytes", "calls", wrong(lab)),
        count("failures", "calls", failed(lab)),
        count("in the logs that should not be", "lines", alarming),
        count(
            "more descriptors of a kind than after half",
            "daemons",
            (int)
                stretches.stream()
                    .filter(each -> !each.last().descriptorsGrownSince(each.half()).isEmpty())
                    .count()),
        new Figure(
            "live heap of a daemon, growth since half",
            "KiB",
            Spread.of(
                stretches.stream()
                    .map(
                        each ->
                            kibibytes(
                                each.last().objects().bytes() - each.half().objects().bytes()))
                    .toList()),
            new Target.AtMost(MOST_KIBIBYTES)));
  }

  private static Figure count(String name, String unit, int value) {
    return new Figure(name, unit, Spread.of(List.of((double) value)), new Target.AtMost(0));
  }

  private static double kibibytes(long bytes) {
    return bytes / 1024.0;
  }
}
