package io.ztunnel.bench.lab;

import static org.junit.jupiter.api.Assertions.assertThrows;

import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.Peer;
import java.io.IOException;
import java.net.ConnectException;
import java.net.Socket;
import org.junit.jupiter.api.Test;

/** An application of the lab: what its methods promise when they return. */
final class ApplicationIT {
  private static final int PORT = 8080;
  private static final int ROUNDS = 300;

  @Test
  void portThatItHasLeftRefuses() throws IOException {
    Requirements.assumeLabWith();
    try (Lab lab = Lab.create("app")) {
      Lab.Node node = lab.addNode();
      for (int round = 0; round < ROUNDS; round++) {
        try (Application application = Application.start(node, PORT, Application.Service::echo);
            Socket client = Peer.connect(node, node.ipv4(), PORT)) {
          Peer.say(client, "hello");
          Peer.hear(client, 5);
          application.refuse();
          assertThrows(ConnectException.class, () -> Peer.connect(node, node.ipv4(), PORT).close());
        }
      }
    }
  }
}
