package io.ztunnel.bench.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class LiveObjectsTest {
  private static final String HISTOGRAM =
      """
      4711:
       num     #instances         #bytes  class name (module)
      -------------------------------------------------------
         1:         34177        4521376  [B (java.base@25.0.3)
         2:          5610         678832  io.ztunnel.mesh.Workload
         3:             1             16  io.ztunnel.mesh.Workload
      Total         39788        5200224
      """;

  @Test
  void classesAreAddedUp() throws IOException {
    LiveObjects objects = LiveObjects.parse(HISTOGRAM);
    assertEquals(
        Map.of("[B", 4_521_376L, "io.ztunnel.mesh.Workload", 678_848L), objects.bytesByClass());
    assertEquals(5_200_224, objects.bytes());
  }

  @Test
  void whatHasGrownMostComesFirst() {
    LiveObjects before = new LiveObjects(Map.of("a", 10L, "b", 10L, "less", 10L, "gone", 10L));
    LiveObjects after = new LiveObjects(Map.of("a", 11L, "b", 20L, "less", 9L, "new", 5L));
    assertEquals(
        List.of(
            new LiveObjects.Growth("b", 10),
            new LiveObjects.Growth("new", 5),
            new LiveObjects.Growth("a", 1)),
        after.grownSince(before));
  }

  @Test
  void whatIsNoHistogramIsSaidSo() {
    IOException thrown =
        assertThrows(IOException.class, () -> LiveObjects.parse("4711: no such process"));
    assertEquals(
        "no class in \"4711: no such process\" (expected: a histogram)", thrown.getMessage());
  }
}
