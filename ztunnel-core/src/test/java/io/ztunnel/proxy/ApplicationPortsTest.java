package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.net.InetSocketAddress;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ApplicationPortsTest {
  private static final InetSocketAddress SERVED = new InetSocketAddress("10.0.0.1", 80);
  private static final InetSocketAddress OTHER_PORT = new InetSocketAddress("10.0.0.1", 81);
  private static final InetSocketAddress OTHER_FAMILY = new InetSocketAddress("fd00::1", 80);

  /** A: port 80 answers, R: it refuses, O: another port refuses, F: its other address does. */
  @ParameterizedTest
  @CsvSource({
    "R, -",
    "AR, R",
    "ARR, R",
    "AAR, R",
    "AOR, R",
    "ARAR, RR",
    "OAO, -",
    "AFAF, -",
    "AFR, R"
  })
  void onlyAPortThatHasAnsweredCloses(String events, String expected) {
    ApplicationPorts ports = new ApplicationPorts();
    StringBuilder closed = new StringBuilder();
    for (int i = 0; i < events.length(); i++) {
      char event = events.charAt(i);
      if (event == 'A') {
        ports.onAnswered(SERVED);
        continue;
      }
      InetSocketAddress refusing =
          switch (event) {
            case 'R' -> SERVED;
            case 'O' -> OTHER_PORT;
            default -> OTHER_FAMILY;
          };
      if (ports.onRefused(refusing)) {
        closed.append(event);
      }
    }
    assertEquals(expected, closed.isEmpty() ? "-" : closed.toString());
  }
}
