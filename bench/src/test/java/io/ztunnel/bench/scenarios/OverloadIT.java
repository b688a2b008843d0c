package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.Requirements;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.net.Socket;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** A pod opens connections until the heap of its node's daemon is nearly full. */
class OverloadIT {
  private static final int PORT = 8080;

  /** Several times what the heap has room for. */
  private static final int MOST = 60_000;

  @BeforeAll
  static void requireLab() {
    Requirements.assumeLabWith();
  }

  private static Socket open(Lab.Pod client, Lab.Pod server) throws IOException {
    Socket socket = PodSockets.connect(client, server.ipv4(), PORT);
    try {
      goesOn(socket);
      return socket;
    } catch (IOException e) {
      socket.close();
      throw e;
    }
  }

  private static void goesOn(Socket socket) throws IOException {
    PodSockets.say(socket, "hi");
    assertEquals("hihi", PodSockets.hear(socket, 4));
  }

  private static boolean mayOpen(Lab.Pod client, Lab.Pod server) {
    try (Socket _ = open(client, server)) {
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  @Test
  void aPodWithVeryManyConnectionsGetsNoMoreAndOthersDo() throws Exception {
    Deque<Socket> open = new ArrayDeque<>();
    try (Scene scene = Scene.create("overload")) {
      Lab.Node near = scene.lab().addNode();
      Lab.Node far = scene.lab().addNode();
      Lab.Pod greedy = scene.pod(near, "greedy");
      Lab.Pod modest = scene.pod(near, "modest");
      Lab.Pod server = scene.pod(far, "server");
      scene.app(server, PORT, App.ECHO_TWICE);
      Daemon daemon =
          scene.daemon(near, Map.of("ZTUNNEL_MAX_HEAP", "40m", "RUST_LOG", "warn"), greedy, modest);
      Daemon _ = scene.daemon(far, Map.of("RUST_LOG", "warn"), server);
      while (open.size() < MOST && fill(open, greedy, server)) {}
      assertTrue(open.size() < MOST, "it never ends");
      System.out.println("connections in 40 MiB: " + open.size());
      Journal log = Journal.whole(daemon);
      log.awaitAny("of the heap are in use, new connections are taken of pods with few alone");
      log.awaitAny("reason=\"overloaded\"", "src.addr=" + greedy.ipv4().getHostAddress());
      goesOn(open.getFirst());
      goesOn(open.getLast());
      assertTrue(mayOpen(modest, server), "the other pod is refused, too");
      while (!open.isEmpty()) {
        open.poll().close();
      }
      Await.until("connections are taken again", () -> mayOpen(greedy, server));
      assertTrue(daemon.isAlive());
    } finally {
      for (Socket socket : open) {
        socket.close();
      }
    }
  }

  /** Opens one more; false if that is refused. */
  private static boolean fill(Deque<Socket> open, Lab.Pod client, Lab.Pod server) {
    try {
      open.add(open(client, server));
      return true;
    } catch (IOException e) {
      return false;
    }
  }
}
