package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.redirection.Lab;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Daemons that take no other key exchange than the post-quantum one. */
class PostQuantumIT {
  private static final int PORT = 8080;

  @Test
  void onlyThosePeersAreSpokenToThatHaveIt() throws Exception {
    try (Scene scene = Scene.create("pqc")) {
      Lab.Node near = scene.lab().addNode();
      Lab.Node far = scene.lab().addNode();
      Lab.Node old = scene.lab().addNode();
      Lab.Pod client = scene.pod(near, "client");
      Lab.Pod server = scene.pod(far, "server");
      Lab.Pod outdated = scene.pod(old, "outdated");
      scene.app(server, PORT, App.saying("hello"));
      Map<String, String> postQuantum = Map.of("COMPLIANCE_POLICY", "pqc");
      Daemon _ = scene.daemon(near, postQuantum, client);
      Daemon farDaemon = scene.daemon(far, postQuantum, server);
      // The JDK's TLS has no X25519MLKEM768.
      Daemon _ = scene.daemon(old, Map.of("ZTUNNEL_TLS_PROVIDER", "jdk"), outdated);
      assertEquals("hello", PodSockets.exchange(client, server.ipv4(), PORT, "hi"));
      Journal log = Journal.of(farDaemon);
      PodSockets.isReset(outdated, server.ipv4(), PORT);
      log.awaitAny("connection failed", "reason=\"tls_failed\"");
    }
  }
}
