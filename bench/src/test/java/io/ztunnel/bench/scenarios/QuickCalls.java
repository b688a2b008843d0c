package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.net.InetAddress;
import java.time.Duration;

/**
 * Calls of a client to services of other networks, whose servers echo twice, while their gateways
 * fail: each has to succeed, and none may take long. Stateless.
 */
record QuickCalls(Lab.Place client) {
  /** What a call may take while a gateway is found out; the others take far less. */
  private static final Duration PATIENCE = Duration.ofSeconds(4);

  /** Calls once; returns how long it took. */
  Duration once(InetAddress service) throws IOException {
    long begin = System.nanoTime();
    assertEquals("hihi", PodSockets.exchange(client, service, 80, "hi"));
    return Duration.ofNanos(System.nanoTime() - begin);
  }

  /** Whether a call is answered; for calls that may fail. */
  boolean works(InetAddress service) {
    try {
      return PodSockets.exchange(client, service, 80, "hi").equals("hihi");
    } catch (IOException e) {
      return false;
    }
  }

  void succeed(int count, InetAddress service) throws IOException {
    for (int i = 0; i < count; i++) {
      Duration took = once(service);
      assertTrue(took.compareTo(PATIENCE) < 0, () -> "took " + took);
    }
  }
}
