package io.ztunnel.bench.load;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Requirements;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is measured on the way to another network, as short as it gets, through three daemons. */
class DoublePathIT {
  private static final Path LAUNCHER = Path.of("..", "ztunnel").toAbsolutePath().normalize();
  private static final String NEW = "byte on a new connection";
  private static final String EXISTING = "byte on an existing connection";
  private static final String LEAST = "600 connections over 3 pods: smallest share";
  private static final String MOST = "600 connections over 3 pods: largest share";
  private static final String STALLED = "p99 of 99 streams beside a stalled one";

  @Test
  void everyKindOfLoadGoesThroughAllThree() throws IOException {
    Requirements.assumeLabWith("curl", "iperf3", "wrk", "nginx");
    try (BenchLab lab = new BenchLab(LAUNCHER, Optional.empty(), MeshPath.DOUBLE)) {
      lab.startServers();
      try (BenchMesh.Daemons daemons = lab.mesh().startDaemons()) {
        assertEquals(3, daemons.all().size());
        Duration before = daemons.cpuTime();
        BenchLabIT.everyKindDoesItsWork(lab, Arrangement.MESH);
        assertTrue(daemons.cpuTime().compareTo(before) > 0, "it is their work");
      }
    }
  }

  @Test
  void echoesTheSpreadAndAStalledReaderAreMeasured(@TempDir Path directory) throws IOException {
    Requirements.assumeLabWith();
    Path json = directory.resolve("double.json");
    ByteArrayOutputStream report = new ByteArrayOutputStream();
    Options options =
        new Options(
            MeshPath.DOUBLE,
            1,
            Duration.ZERO,
            Duration.ZERO,
            20,
            Set.of("echo", "spread", "stalled"),
            Optional.of(json),
            Optional.empty(),
            Optional.empty(),
            Map.of());
    LoadBench.run(
        LAUNCHER, options, new PrintStream(report, true, StandardCharsets.UTF_8), System.out);

    Map<String, Double> figures = JsonReport.readMedians(json);
    assertEquals(Set.of(NEW, EXISTING, LEAST, MOST, STALLED), figures.keySet());
    figures.forEach((name, value) -> assertTrue(value > 0, () -> name + ": " + value));
    double least = figures.getOrDefault(LEAST, Double.NaN);
    double most = figures.getOrDefault(MOST, Double.NaN);
    assertTrue(least >= 25 && most <= 42, () -> "of three pods: %s".formatted(figures));
    String text = report.toString(StandardCharsets.UTF_8);
    figures.keySet().forEach(name -> assertTrue(text.contains(name), text));
  }
}
