package io.ztunnel.bench;

import io.ztunnel.bench.lab.Afterwards;
import io.ztunnel.bench.lab.Demo;
import io.ztunnel.bench.lab.MulticlusterDemo;
import io.ztunnel.bench.load.LoadBench;
import io.ztunnel.bench.scale.ScaleBench;
import io.ztunnel.bench.soak.SoakBench;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** What the launcher runs for {@code demo} and {@code bench}. */
public final class Main {
  private Main() {}

  /**
   * Ends the process with 0, or with 1 after one line that says why.
   *
   * @param arguments the launcher's path, the command, its options
   */
  public static void main(String... arguments) {
    Path launcher = Path.of(arguments[0]);
    String command = arguments[1];
    List<String> options = Arrays.asList(arguments).subList(2, arguments.length);
    try {
      run(launcher, command, options, System.out);
    } catch (IOException | InterruptedException | IllegalArgumentException e) {
      System.err.println(command + ": " + e.getMessage());
      System.exit(1);
    }
    System.exit(0); // load programs' threads do not keep it
  }

  private static void run(Path launcher, String command, List<String> options, PrintStream out)
      throws IOException, InterruptedException {
    switch (command) {
      case "demo" -> {
        if (!options.isEmpty() && options.getFirst().equals("multicluster")) {
          MulticlusterDemo.run(launcher, out, afterwards(after(options)));
        } else {
          Demo.run(launcher, out, afterwards(options));
        }
      }
      case "bench" -> {
        switch (options.isEmpty() ? "" : options.getFirst()) {
          case "scale" -> ScaleBench.run(launcher, after(options), out, System.err);
          case "soak" -> SoakBench.run(launcher, after(options), out, System.err);
          default -> LoadBench.run(launcher, options, out, System.err);
        }
      }
      default -> throw new IllegalArgumentException("unknown (expected: demo or bench)");
    }
  }

  private static List<String> after(List<String> options) {
    return options.subList(1, options.size());
  }

  private static Afterwards afterwards(List<String> options) {
    for (String option : options) {
      if (!option.equals("--keep")) {
        throw new IllegalArgumentException(
            option + " (expected: multicluster, --keep, both or nothing)");
      }
    }
    return options.isEmpty() ? Afterwards.REMOVE : Afterwards.KEEP;
  }
}
