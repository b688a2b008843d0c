package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.redirection.Lab;
import java.io.Closeable;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketException;
import java.time.Duration;

/**
 * A client's connection to a server that echoes twice, which stays until somebody ends it. For one
 * thread.
 */
final class OpenCall implements Closeable {
  private final Socket socket;

  private OpenCall(Socket socket) {
    this.socket = socket;
  }

  /** Connects; the server has answered when this returns. */
  static OpenCall begin(Lab.Place client, InetAddress server, int port) throws IOException {
    OpenCall call = new OpenCall(PodSockets.connect(client, server, port));
    call.goesOn();
    return call;
  }

  /** Says something and hears the answer. */
  void goesOn() throws IOException {
    PodSockets.say(socket, "hi");
    assertEquals("hihi", PodSockets.hear(socket, 4));
  }

  /**
   * Waits for its end by a reset.
   *
   * @param sinceNanos when the time began
   */
  void isCutWithin(Duration limit, long sinceNanos) {
    assertThrows(SocketException.class, this::readToItsEnd);
    Duration took = Duration.ofNanos(System.nanoTime() - sinceNanos);
    assertTrue(took.compareTo(limit) < 0, "cut after " + took);
  }

  private void readToItsEnd() throws IOException {
    int read = socket.getInputStream().read();
    throw new AssertionError("read " + read + " (expected: a reset)");
  }

  @Override
  public void close() throws IOException {
    socket.close();
  }
}
