package io.ztunnel.redirection;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SocketSettingsTest {
  @ParameterizedTest(name = "a dead peer is found within {0} ms")
  @CsvSource({
    "1, 1, 1, 1, 2",
    "2000, 1, 1, 1, 2",
    "3000, 1, 1, 2, 3",
    "4000, 1, 1, 3, 4",
    "5999, 2, 1, 3, 5",
    "60000, 30, 10, 3, 60",
    "3600000, 1800, 600, 3, 3600"
  })
  void probingThatFindsADeadPeerInTime(
      long limitMillis, long time, long interval, int retries, long untilGivenUp) {
    SocketSettings.Keepalive keepalive =
        SocketSettings.Keepalive.within(Duration.ofMillis(limitMillis));

    assertEquals(
        new SocketSettings.Keepalive(
            true, Duration.ofSeconds(time), Duration.ofSeconds(interval), retries),
        keepalive);
    assertEquals(Duration.ofSeconds(untilGivenUp), keepalive.untilGivenUp());
  }
}
