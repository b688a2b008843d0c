package io.ztunnel.bench.soak;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SoakOptionsTest {
  @Test
  void halfAnHourUnlessToldOtherwise() {
    SoakOptions options = SoakOptions.parse(List.of());
    assertEquals(Duration.ofMinutes(2), options.turmoil());
    assertEquals(15, options.turns());
    assertEquals("epoll", options.transport());
    assertEquals(Optional.empty(), options.json());
  }

  @Test
  void optionsAreTaken() {
    assertEquals(
        new SoakOptions(Duration.ofMinutes(2), 5, "io_uring", 7, Optional.of(Path.of("new.json"))),
        SoakOptions.parse(
            List.of(
                "--minutes",
                "10",
                "--transport",
                "io_uring",
                "--seed",
                "7",
                "--json",
                "new.json")));
  }

  @Test
  void aShortTimeHasEnoughTurnsToTellGrowth() {
    SoakOptions options = SoakOptions.parse(List.of("--minutes", "1"));
    assertEquals(Duration.ofSeconds(20), options.turmoil());
    assertEquals(3, options.turns());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          --minutes       | --minutes: nothing follows (expected: a value)
          --minutes 0     | --minutes: 0 (expected: 1 to 10000)
          --minutes 10001 | --minutes: 10001 (expected: 1 to 10000)
          --minutes x     | --minutes: x (expected: 1 to 10000)
          --seed x        | --seed: x (expected: a number as an earlier run has printed it)
          --transport nio | --transport: nio (expected: epoll or io_uring)
          --long          | --long (expected: --minutes N, --transport NAME, --seed N or --json FILE)
          """)
  void wrongOptionSaysWhatWasExpected(String line, String message) {
    var thrown =
        assertThrows(
            IllegalArgumentException.class, () -> SoakOptions.parse(List.of(line.split(" ", -1))));
    assertEquals(message, thrown.getMessage());
  }
}
