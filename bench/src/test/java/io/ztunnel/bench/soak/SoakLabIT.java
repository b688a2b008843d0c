package io.ztunnel.bench.soak;

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
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The whole of it for some seconds: nothing fails, nothing is lost, nothing stays. */
class SoakLabIT {
  private static final Path LAUNCHER = Path.of("..", "ztunnel").toAbsolutePath().normalize();
  private static final Duration TURMOIL = Duration.ofSeconds(5);

  @Test
  @Timeout(value = 5, unit = TimeUnit.MINUTES)
  void nothingStays() throws IOException {
    Requirements.assumeLabWith();
    long seed = System.nanoTime();
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    PrintStream progress =
        new PrintStream(new ByteArrayOutputStream(), true, StandardCharsets.UTF_8);
    try (SoakLab lab = new SoakLab(LAUNCHER, SoakOptions.TRANSPORTS.getFirst(), progress)) {
      lab.start();
      lab.disturb(TURMOIL, random);
      Map<String, Rest> before = lab.rest();
      lab.disturb(TURMOIL, random);
      Map<String, Rest> after = lab.rest();

      for (Route route : lab.routes()) {
        assertEquals(List.of(), route.wrong(), route::title);
        assertEquals(List.of(), route.failed(), route::title);
        assertTrue(route.calls() > 10, () -> route.title() + ": " + route.calls());
      }
      assertTrue(lab.rudeCalls() > 10, () -> "rude calls: " + lab.rudeCalls());
      assertTrue(lab.questions() > 10, () -> "questions: " + lab.questions());
      assertEquals(List.of(), lab.alarmingLines());
      assertEquals(6, after.size(), "daemons");
      assertTrue(
          before.keySet().stream().filter(after::containsKey).count() >= 4,
          () -> "only two may be replaced: " + before.keySet() + " -> " + after.keySet());
      after.forEach(
          (daemon, rest) -> {
            assertTrue(rest.objects().bytes() > 1 << 20, () -> daemon + ": no live objects");
            Rest earlier = before.get(daemon);
            if (earlier != null) {
              assertEquals(Map.of(), rest.descriptorsGrownSince(earlier), daemon);
            }
          });
    }
  }
}
