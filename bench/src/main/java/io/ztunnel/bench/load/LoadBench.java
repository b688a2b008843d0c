package io.ztunnel.bench.load;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.Pause;
import io.ztunnel.bench.lab.ProcessUsage;
import io.ztunnel.redirection.NetworkNamespace;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Measures the daemons between two pods on two nodes, beside direct TCP and one plain TCP hop,
 * interleaved in rounds. For one thread.
 */
public final class LoadBench {
  private static final Duration SETTLE = Duration.ofMillis(300);
  private static final Duration MEMORY_SETTLE = Duration.ofSeconds(12);
  private static final int FIRST_IDLE_CONNECTIONS = 1000;
  private static final int IDLE_CONNECTIONS = 5000;
  private static final int STARTS = 5;

  private final Options options;
  private final PrintStream progress;
  private final BenchLab lab;
  private final Results results;

  private LoadBench(Options options, PrintStream progress, BenchLab lab) {
    this.options = options;
    this.progress = progress;
    this.lab = lab;
    this.results = new Results(options.path(), options.arrangements());
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
    run(launcher, Options.parse(arguments), out, progress);
  }

  static void run(Path launcher, Options options, PrintStream out, PrintStream progress)
      throws IOException {
    Map<String, Double> earlier =
        options.against().isPresent() ? JsonReport.readMedians(options.against().get()) : Map.of();
    Map<String, String> machine = Machine.facts(); // before the load is ours
    try (BenchLab lab = new BenchLab(launcher, options.besideOf(launcher), options.path())) {
      LoadBench bench = new LoadBench(options, progress, lab);
      bench.measureLoads();
      if (options.groups().contains("memory")) {
        bench.measureMemory();
      }
      if (options.groups().contains("start")) {
        bench.measureStart();
      }
      new EchoBench(options, progress, lab, bench.results).measure();
      new StalledBench(options, progress, lab.mesh(), bench.results).measure();
      out.printf("%n%s; %s.%n%n", String.join(", ", machine.values()), bench.describe());
      out.print(MarkdownReport.render(bench.results, earlier));
      if (options.json().isPresent()) {
        JsonReport.write(options.json().get(), bench.results, machine);
      }
    }
  }

  private String describe() {
    return "%d %s of %d s a load, after %d s of warm-up each; median [min-max]"
        .formatted(
            options.rounds(),
            options.rounds() == 1 ? "round" : "rounds",
            options.runTime().toSeconds(),
            options.warmUp().toSeconds());
  }

  private void measureLoads() throws IOException {
    List<Load> loads =
        Load.all(options.path()).stream()
            .filter(load -> options.groups().contains(load.group()))
            .toList();
    if (loads.isEmpty()) {
      return;
    }
    lab.startServers();
    try (BenchMesh.Daemons daemons = lab.mesh().startDaemons();
        BenchMesh.Daemons beside =
            lab.beside().isPresent()
                ? lab.beside().get().startDaemons()
                : new BenchMesh.Daemons(List.of())) {
      for (Load load : loads) {
        warmUp(load);
      }
      for (int round = 1; round <= options.rounds(); round++) {
        for (Load load : loads) {
          for (Arrangement arrangement : options.arrangements()) {
            CpuClock clock =
                switch (arrangement) {
                  case DIRECT -> () -> Duration.ZERO;
                  case TCP_HOP -> lab::hopCpuTime;
                  case MESH -> daemons::cpuTime;
                  case BESIDE -> beside::cpuTime;
                };
            measure(round, load, arrangement, clock);
          }
        }
      }
      tellUsage(Arrangement.MESH, daemons);
      tellUsage(Arrangement.BESIDE, beside);
    }
  }

  private void tellUsage(Arrangement arrangement, BenchMesh.Daemons daemons) throws IOException {
    for (Daemon daemon : daemons.all()) {
      long pid = daemon.pid();
      progress.printf(
          "%s, %s after these loads: %.0f MiB, at most %.0f MiB; CPU %.1f s, of it C2 %.1f s%n",
          options.path().title(arrangement),
          daemon.name(),
          mebibytes(ProcessUsage.residentBytes(pid)),
          mebibytes(ProcessUsage.peakResidentBytes(pid)),
          seconds(ProcessUsage.cpuTime(pid)),
          seconds(ProcessUsage.cpuTime(pid, "C2 ")));
    }
  }

  private void warmUp(Load load) throws IOException {
    progress.printf("warm-up: %s%n", load.name());
    Duration warmUp = options.warmUp().multipliedBy(load.warmUps());
    for (Arrangement arrangement : options.arrangements()) {
      switch (arrangement) {
        case DIRECT -> {} // nothing of it is compiled
        case TCP_HOP -> {
          Run _ = lab.run(load, arrangement, warmUp.dividedBy(2));
        }
        case MESH, BESIDE -> {
          Run _ = lab.run(load, arrangement, warmUp);
        }
      }
    }
  }

  /** What the programs of an arrangement have used so far. */
  private interface CpuClock {
    Duration cpuTime() throws IOException;
  }

  private void measure(int round, Load load, Arrangement arrangement, CpuClock clock)
      throws IOException {
    Pause.of(SETTLE);
    Duration before = clock.cpuTime();
    Run run = lab.run(load, arrangement, options.runTime());
    double cpuSeconds = clock.cpuTime().minus(before).toMillis() / 1e3;
    results.add(
        load,
        arrangement,
        new Run(
            run.rate(), run.work(), run.p50Micros(), run.p99Micros(), cpuSeconds, run.errors()));
    progress.printf(
        "round %d: %s, %s: %s%s%n",
        round,
        load.name(),
        options.path().title(arrangement),
        MarkdownReport.number(run.rate()),
        run.errors() == 0 ? "" : ", " + run.errors() + " failed");
  }

  /** Fresh daemons: memory once ready, and what each further idle connection costs. */
  private void measureMemory() throws IOException {
    List<Double> idle = new ArrayList<>();
    List<Double> perTunnel = new ArrayList<>();
    try (BenchMesh.Daemons daemons = lab.mesh().startDaemons();
        NetworkNamespace clientPod = lab.mesh().client().open();
        EchoServer _ = BenchLab.startEcho(lab.mesh().serverPods().getFirst())) {
      List<Daemon> both = daemons.all();
      Pause.of(MEMORY_SETTLE);
      for (Daemon daemon : both) {
        idle.add(mebibytes(ProcessUsage.residentBytes(daemon.pid())));
      }
      progress.printf("memory idle: %s MiB%n", idle);
      InetSocketAddress echo = lab.mesh().echoOfOne();
      IdleConnections.Sockets sockets = () -> clientPod.call(SocketChannel::open);
      try (IdleConnections _ = IdleConnections.open(sockets, echo, FIRST_IDLE_CONNECTIONS)) {
        Pause.of(MEMORY_SETTLE);
        List<Long> before = residentBytes(both);
        try (IdleConnections more = IdleConnections.open(sockets, echo, IDLE_CONNECTIONS)) {
          Pause.of(MEMORY_SETTLE);
          List<Long> after = residentBytes(both);
          for (int i = 0; i < both.size(); i++) {
            perTunnel.add((after.get(i) - before.get(i)) / 1024.0 / more.count());
          }
          progress.printf(
              "memory with %d and %d idle tunnels: %s, %s bytes%n",
              FIRST_IDLE_CONNECTIONS, FIRST_IDLE_CONNECTIONS + more.count(), before, after);
        }
      }
    }
    results.add(new Figure("memory of one, idle", "MiB", Spread.of(idle), new Target.AtMost(100)));
    results.add(
        new Figure(
            "memory of one, per idle tunnel", "KiB", Spread.of(perTunnel), new Target.AtMost(3.5)));
  }

  private static List<Long> residentBytes(List<Daemon> daemons) throws IOException {
    List<Long> all = new ArrayList<>();
    for (Daemon daemon : daemons) {
      all.add(ProcessUsage.residentBytes(daemon.pid()));
    }
    return all;
  }

  private static double seconds(Duration time) {
    return time.toMillis() / 1e3;
  }

  private static double mebibytes(long bytes) {
    return bytes / 1024.0 / 1024.0;
  }

  private void measureStart() throws IOException {
    List<Double> seconds = new ArrayList<>();
    for (int i = 0; i < STARTS; i++) {
      seconds.add(lab.mesh().timeToReady().toMillis() / 1e3);
    }
    progress.printf("start to ready: %s s%n", seconds);
    results.add(new Figure("start to ready", "s", Spread.of(seconds), new Target.AtMost(1.0)));
  }
}
