package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.ztunnel.redirection.SocketSettings;
import java.time.Duration;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HalfClosedProbingTest {
  @ParameterizedTest(name = "a dead peer is found within {0} ms")
  @CsvSource({
    "1, 1, 1, 1, 4",
    "4000, 1, 1, 1, 4",
    "5000, 1, 1, 2, 5",
    "6999, 1, 1, 3, 6",
    "11000, 1, 6, 3, 11",
    "60000, 10, 10, 3, 60",
    "3600000, 600, 600, 3, 3600"
  })
  void paceThatFindsADeadPeerInTime(
      long limitMillis, long period, long idle, int probes, long untilFound) {
    HalfClosedProbing probing = HalfClosedProbing.within(Duration.ofMillis(limitMillis));

    Duration interval = Duration.ofSeconds(period);
    assertEquals(
        new HalfClosedProbing(
            interval,
            new SocketSettings.Keepalive(true, Duration.ofSeconds(idle), interval, probes)),
        probing);
    assertEquals(Duration.ofSeconds(untilFound), probing.untilFound());
  }
}
