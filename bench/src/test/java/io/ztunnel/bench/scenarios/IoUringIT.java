package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.Transport;
import java.util.Map;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** Pod traffic on io_uring instead of epoll. */
class IoUringIT {
  private static final int PORT = 8080;
  private static final int CALLS = 10;

  @Test
  void podsOfTwoNodesAreTunnelled() throws Exception {
    String missing = Transport.IO_URING.unavailabilityReason();
    if (!missing.isEmpty()) {
      System.out.println("SKIPPED, no io_uring here: " + missing);
    }
    Assumptions.assumeTrue(missing.isEmpty(), missing);
    Map<String, String> environment = Map.of("ZTUNNEL_TRANSPORT", "io_uring");
    try (Scene scene = Scene.create("uring")) {
      Lab.Node near = scene.lab().addNode();
      Lab.Node far = scene.lab().addNode();
      Lab.Pod client = scene.pod(near, "client");
      Lab.Pod server = scene.pod(far, "server");
      App app = scene.app(server, PORT, App.ECHO_TWICE);
      Daemon nearDaemon = scene.daemon(near, environment, client);
      Daemon farDaemon = scene.daemon(far, environment, server);
      for (int i = 0; i < CALLS; i++) {
        assertEquals("abab", PodSockets.exchange(client, server.ipv4(), PORT, "ab"));
        assertEquals("abab", PodSockets.exchange(client, server.ipv6(), PORT, "ab"));
      }
      assertEquals(client.ipv4(), app.clients().getFirst().getAddress());
      Journal.awaitRest(nearDaemon);
      Journal.awaitRest(farDaemon);
      for (Daemon daemon : new Daemon[] {nearDaemon, farDaemon}) {
        assertEquals(
            2 * CALLS,
            Journal.whole(daemon).access("connection complete", Entry.identity(client)).size());
      }
    }
  }
}
