package io.ztunnel.app;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.time.Duration;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DurationSyntaxTest {
  @ParameterizedTest
  @CsvSource({
    "5, PT5S",
    "0, PT0S",
    "30s, PT30S",
    "5m, PT5M",
    "5MIN, PT5M",
    "1h30m, PT1H30M",
    "'1h + 30m', PT1H30M",
    "' 2 hours ', PT2H",
    "1d, PT24H",
    "2weeks, PT336H",
    "1mon, PT720H",
    "1y, PT8760H",
    "150ms, PT0.15S",
    "7µs, PT0.000007S",
    "7us, PT0.000007S",
    "9ns, PT0.000000009S",
    "2m*3, PT6M",
    "500ms*4, PT2S",
  })
  void sumsAndProductsOfWholeNumbersWithUnits(String text, Duration expected) {
    assertEquals(expected, DurationSyntax.parse(text));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        " ",
        "s",
        "1.5h",
        "-5s",
        "1h-3m",
        "1h+2m*3",
        "+5s",
        "5 parsecs",
        "1h,",
        "999999999999y"
      })
  void refusesWhatIsNoDuration(String text) {
    assertThrows(IllegalArgumentException.class, () -> DurationSyntax.parse(text));
  }
}
