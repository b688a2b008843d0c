package io.ztunnel.bench.scale;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Requirements;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The whole measurement, with a small mesh: its daemon, its control plane, its restart. */
class ScaleLabIT {
  private static final Path LAUNCHER = Path.of("..", "ztunnel").toAbsolutePath().normalize();
  private static final int WORKLOADS = 2_000;
  private static final ScaleOptions SHORT =
      new ScaleOptions(
          List.of(WORKLOADS),
          1,
          Duration.ofSeconds(1),
          Duration.ofSeconds(1),
          Duration.ofSeconds(1),
          Duration.ofMillis(300),
          Optional.empty());

  @Test
  @Timeout(value = 3, unit = TimeUnit.MINUTES)
  void connectionsGoOnWhileTheMeshChanges() throws IOException {
    Requirements.assumeLabWith();
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    PrintStream progress = new PrintStream(said, true, StandardCharsets.UTF_8);
    try (ScaleLab lab = new ScaleLab(LAUNCHER, progress)) {
      long emptyHeap = lab.emptyHeapBytes();
      ScaleRound round = lab.measure(WORKLOADS, SHORT);

      assertTrue(
          round.heapBytes() > emptyHeap + 100 * WORKLOADS,
          () -> "live bytes: " + emptyHeap + " without, " + round.heapBytes() + " with the mesh");
      assertTrue(round.settled() > 0 && round.peak() >= round.startPeak(), round::toString);
      for (Phase phase : Phase.values()) {
        for (Map<Phase, Latency> latencies : List.of(round.meshed(), round.direct())) {
          Latency latency = Objects.requireNonNull(latencies.get(phase), phase::title);
          assertTrue(latency.connections() > 0, round::toString);
          assertEquals(0, latency.failures(), round::toString);
        }
      }
      // All but nothing is sent again: versions were echoed.
      String text = said.toString(StandardCharsets.UTF_8);
      assertTrue(text.contains("bytes sent: " + (WORKLOADS + WORKLOADS / 20 + 2) + " "), text);
    }
  }
}
