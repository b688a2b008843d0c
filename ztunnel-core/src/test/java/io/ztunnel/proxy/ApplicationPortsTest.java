package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ApplicationPortsTest {
  /** A: port 80 answers, R: it refuses, O: another port refuses. */
  @ParameterizedTest
  @CsvSource({"R, -", "AR, R", "ARR, R", "AAR, R", "AOR, R", "ARAR, RR", "OAO, -"})
  void onlyAPortThatHasAnsweredCloses(String events, String expected) {
    ApplicationPorts ports = new ApplicationPorts();
    StringBuilder closed = new StringBuilder();
    for (int i = 0; i < events.length(); i++) {
      char event = events.charAt(i);
      if (event == 'A') {
        ports.onAnswered(80);
      } else if (ports.onRefused(event == 'R' ? 80 : 81)) {
        closed.append(event);
      }
    }
    assertEquals(expected, closed.isEmpty() ? "-" : closed.toString());
  }
}
