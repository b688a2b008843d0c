package io.ztunnel.bench.load;

import java.io.EOFException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.time.Duration;

/** A client of {@link EchoServer}, with deadlines. Stateless. */
final class Echo {
  private static final int DEADLINE_MILLIS = Math.toIntExact(Duration.ofSeconds(15).toMillis());

  private Echo() {}

  static void connect(Socket socket, InetSocketAddress server) throws IOException {
    socket.setTcpNoDelay(true);
    socket.connect(server, DEADLINE_MILLIS);
    socket.setSoTimeout(DEADLINE_MILLIS);
  }

  /** Sends a message of so many bytes, and waits until it is back. */
  static void exchange(Socket socket, int bytes) throws IOException {
    socket.getOutputStream().write(new byte[bytes]);
    if (socket.getInputStream().readNBytes(bytes).length < bytes) {
      throw new EOFException("closed before the echo (expected: " + bytes + " bytes)");
    }
  }
}
