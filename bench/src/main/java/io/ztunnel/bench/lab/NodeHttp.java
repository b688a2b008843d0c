package io.ztunnel.bench.lab;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.ztunnel.redirection.NetworkNamespace;
import java.io.EOFException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.channels.SocketChannel;
import java.time.Duration;

/** HTTP requests to the loopback address of a network namespace: a daemon's own servers. */
final class NodeHttp {
  private NodeHttp() {}

  /** An answer of a daemon's admin, stats or readiness server. */
  record Answer(int status, String body) {}

  /**
   * @throws IOException also if nothing listens there or the whole answer took longer than the
   *     deadline
   */
  static Answer get(NetworkNamespace namespace, int port, String path, Duration deadline)
      throws IOException {
    int timeoutMillis = Math.toIntExact(deadline.toMillis());
    try (SocketChannel channel = namespace.call(SocketChannel::open)) {
      Socket socket = channel.socket();
      socket.connect(
          new InetSocketAddress(InetAddress.ofLiteral("127.0.0.1"), port), timeoutMillis);
      socket.setSoTimeout(timeoutMillis);
      socket
          .getOutputStream()
          .write("GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n".formatted(path).getBytes(UTF_8));
      return parse(new String(socket.getInputStream().readAllBytes(), UTF_8));
    }
  }

  private static Answer parse(String response) throws IOException {
    int headEnd = response.indexOf("\r\n\r\n");
    String[] statusLine = response.split("[ \r]", 3);
    if (headEnd < 0 || statusLine.length < 3) {
      throw new EOFException("no HTTP answer (found: \"" + response.strip() + "\")");
    }
    return new Answer(Integer.parseInt(statusLine[1]), response.substring(headEnd + 4));
  }
}
