package io.ztunnel.bench.load;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class SpreadTest {
  @Test
  void oddNumberHasOneMiddle() {
    assertEquals(new Spread(3, 1, 9), Spread.of(List.of(9.0, 1.0, 3.0)));
  }

  @Test
  void evenNumberHasTheMeanOfTwo() {
    assertEquals(new Spread(2.5, 1, 9), Spread.of(List.of(9.0, 1.0, 3.0, 2.0)));
  }

  @Test
  void ratiosAreTakenWithinTheRound() {
    // The medians' ratio would be 20/30; round by round it is 0.5 each time.
    assertEquals(
        new Spread(0.5, 0.5, 0.5),
        Spread.ofRatios(new double[] {10, 20, 15}, new double[] {20, 40, 30}));
  }

  @Test
  void nothingMeasuredIsAnError() {
    assertThrows(IllegalArgumentException.class, () -> Spread.of(List.of()));
    assertThrows(
        IllegalArgumentException.class,
        () -> Spread.ofRatios(new double[] {1}, new double[] {1, 2}));
  }

  @Test
  void medianDecidesAboutAFigure() {
    var spread = new Spread(0.40, 0.30, 0.50);

    assertTrue(new Figure("f", "x", spread, new Target.AtLeast(0.40)).isMet());
    assertFalse(new Figure("f", "x", spread, new Target.AtLeast(0.41)).isMet());
    assertTrue(new Figure("f", "x", spread, new Target.AtMost(0.40)).isMet());
    assertFalse(new Figure("f", "x", spread, new Target.AtMost(0.39)).isMet());
  }
}
