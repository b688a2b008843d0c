package io.ztunnel.bench.scenarios;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import io.ztunnel.redirection.Lab;
import java.io.EOFException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.util.Arrays;
import java.util.Locale;

/**
 * An answer of a daemon's own servers to a request from the same namespace.
 *
 * @param head in lower case
 * @param latin1Body one character for each byte
 */
record Http(int status, String head, String latin1Body) {
  static final int ADMIN = 15000;
  static final int STATS = 15020;
  static final int READINESS = 15021;

  /**
   * @param request method and path
   * @param headers whole lines
   */
  static Http ask(Lab.Place place, int port, String request, String... headers) throws IOException {
    try (Socket socket = PodSockets.connect(place, InetAddress.ofLiteral("127.0.0.1"), port)) {
      PodSockets.say(
          socket,
          request
              + " HTTP/1.0\r\nHost: localhost\r\n"
              + String.join("", Arrays.stream(headers).map(line -> line + "\r\n").toList())
              + "\r\n");
      String text = new String(socket.getInputStream().readAllBytes(), ISO_8859_1);
      int end = text.indexOf("\r\n\r\n");
      if (end < 0) {
        throw new EOFException("no HTTP answer (found: \"" + text + "\")");
      }
      return new Http(
          Integer.parseInt(text.substring(9, 12)),
          text.substring(0, end).toLowerCase(Locale.ROOT),
          text.substring(end + 4));
    }
  }

  byte[] body() {
    return latin1Body.getBytes(ISO_8859_1);
  }

  String text() {
    return new String(body(), UTF_8);
  }

  /** Status and body, for tests that want both. */
  @Override
  public String toString() {
    return status + " " + text();
  }
}
