package io.ztunnel.bench.scenarios;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.Peer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.time.Duration;
import java.util.Random;

/** Blocking sockets of a place in the lab, with deadlines. Stateless. */
final class PodSockets {
  /** Limit of every connect and read. */
  static final Duration DEADLINE = Duration.ofSeconds(10);

  /** Connections that may wait to be accepted; a client of one more is slowed down. */
  private static final int BACKLOG = 1_024;

  private PodSockets() {}

  static ServerSocket listen(Lab.Place place, int port) throws IOException {
    return Peer.listen(place, port, BACKLOG);
  }

  static Socket connect(Lab.Place place, InetAddress address, int port) throws IOException {
    return Peer.connect(place, address, port, DEADLINE);
  }

  static void say(Socket socket, String text) throws IOException {
    Peer.say(socket, text);
  }

  static String hear(Socket socket, int bytes) throws IOException {
    return Peer.hear(socket, bytes);
  }

  /** Connects, says the text, ends its side, and returns all that comes back. */
  static String exchange(Lab.Place place, InetAddress address, int port, String text)
      throws IOException {
    try (Socket socket = connect(place, address, port)) {
      say(socket, text);
      socket.shutdownOutput();
      return new String(socket.getInputStream().readAllBytes(), UTF_8);
    }
  }

  /**
   * Sends eight random megabytes, ends its side, and expects them back, which a server may send as
   * late as then.
   */
  static void megabytesComeBack(Lab.Place place, InetAddress address, int port) throws Exception {
    long seed = System.nanoTime();
    System.out.println("seed " + seed);
    byte[] sent = new byte[8 << 20];
    new Random(seed).nextBytes(sent);
    try (Socket socket = connect(place, address, port)) {
      Thread writer =
          Thread.ofPlatform()
              .daemon()
              .start(
                  () -> {
                    try {
                      socket.getOutputStream().write(sent);
                      socket.shutdownOutput();
                    } catch (IOException e) {
                      throw new UncheckedIOException(e);
                    }
                  });
      byte[] received = socket.getInputStream().readAllBytes();
      writer.join();
      assertArrayEquals(sent, received);
    }
  }

  /**
   * Connects, speaks, and waits to be reset without an answer; an end in order is not enough. The
   * reset may come as early as in the connect call, right after the handshake.
   */
  static void isReset(Lab.Place place, InetAddress address, int port) {
    SocketException failure =
        assertThrows(
            SocketException.class,
            () -> {
              try (Socket socket = connect(place, address, port)) {
                say(socket, "hello");
                int answer = socket.getInputStream().read();
                throw new IOException("read " + answer + " (expected: a reset)");
              }
            });
    assertTrue(
        String.valueOf(failure.getMessage()).matches("Connection reset.*|Broken pipe"),
        failure::toString);
  }
}
