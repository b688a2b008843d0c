package io.ztunnel.bench.scale;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ScaleOptionsTest {
  @Test
  void theSizesOfTheFiguresAreMeasuredInThreeRoundsUnlessToldOtherwise() {
    assertEquals(
        new ScaleOptions(
            List.of(50_000, 200_000),
            3,
            Duration.ofMinutes(1),
            Duration.ofSeconds(20),
            Duration.ofSeconds(10),
            Duration.ofSeconds(2),
            Optional.empty()),
        ScaleOptions.parse(List.of()));
  }

  @Test
  void optionsAreTaken() {
    assertEquals(
        new ScaleOptions(
            List.of(1000, 2000),
            2,
            Duration.ofSeconds(15),
            Duration.ofSeconds(5),
            Duration.ofSeconds(10),
            Duration.ofSeconds(2),
            Optional.of(Path.of("new.json"))),
        ScaleOptions.parse(
            List.of("--quick", "--rounds", "2", "--sizes", "1000,2000", "--json", "new.json")));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          --rounds       | --rounds: nothing follows (expected: a value)
          --rounds 0     | --rounds: 0 (expected: 1 to 100)
          --sizes 1000,x | --sizes: x (expected: 1 to 1000000)
          --fast         | --fast (expected: --quick, --rounds N, --sizes WORKLOADS[,WORKLOADS...] or --json FILE)
          """)
  void wrongOptionSaysWhatWasExpected(String line, String message) {
    var thrown =
        assertThrows(
            IllegalArgumentException.class, () -> ScaleOptions.parse(List.of(line.split(" ", -1))));
    assertEquals(message, thrown.getMessage());
  }
}
