package io.ztunnel.bench.load;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Requirements;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.EnumSource.Mode;

/** The load programs where no daemon is needed: between pods that are not captured. */
@TestInstance(Lifecycle.PER_CLASS)
class BenchLabIT {
  private static final Duration SHORT = Duration.ofSeconds(1);

  private static final List<Load> ONE_OF_EACH =
      List.of(
          new Load.Bulk(8, Load.Direction.DOWN, Load.Expectation.of(1, 1)),
          new Load.Http(64, Load.Expectation.of(1, 1)),
          new Load.NewConnections(16, Load.Expectation.of(1, 1)));

  private BenchLab lab;

  @BeforeAll
  void startServers() throws IOException {
    Requirements.assumeLabWith("curl", "iperf3", "wrk", "nginx");
    lab = new BenchLab(Path.of("no launcher is needed"), Optional.empty(), MeshPath.SINGLE);
    lab.startServers();
  }

  @AfterAll
  void removeLab() throws IOException {
    if (lab != null) {
      lab.close();
    }
  }

  @ParameterizedTest
  @EnumSource(
      mode = Mode.EXCLUDE,
      names = {"MESH", "BESIDE"})
  void everyKindOfLoadDoesItsWork(Arrangement arrangement) throws IOException {
    everyKindDoesItsWork(lab, arrangement);
  }

  /** For a second each. */
  static void everyKindDoesItsWork(BenchLab lab, Arrangement arrangement) throws IOException {
    for (Load load : ONE_OF_EACH) {
      Run run = lab.run(load, arrangement, SHORT);

      assertTrue(run.rate() > 0 && run.work() > 0, () -> load.name() + ": " + run);
      assertEquals(0, run.errors(), () -> load.name() + ": " + run);
    }
  }
}
