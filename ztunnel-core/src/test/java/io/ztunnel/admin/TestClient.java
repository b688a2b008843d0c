package io.ztunnel.admin;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** A connection that speaks HTTP/1.1 to the letter. */
final class TestClient implements AutoCloseable {
  static final class Reply {
    private final int status;
    private final List<String> headers;
    private final byte[] body;

    private Reply(int status, List<String> headers, byte[] body) {
      this.status = status;
      this.headers = headers;
      this.body = body;
    }

    int status() {
      return status;
    }

    byte[] body() {
      return body;
    }

    String text() {
      return new String(body, StandardCharsets.UTF_8);
    }

    /** The value, or empty. */
    String header(String name) {
      String prefix = name.toLowerCase(Locale.ROOT) + ": ";
      return headers.stream()
          .filter(h -> h.toLowerCase(Locale.ROOT).startsWith(prefix))
          .map(h -> h.substring(prefix.length()))
          .findFirst()
          .orElse("");
    }
  }

  private static final int TIMEOUT_MILLIS = 20_000;

  private final Socket socket;
  private final InputStream in;

  TestClient(int port) throws IOException {
    socket = new Socket();
    socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), TIMEOUT_MILLIS);
    socket.setSoTimeout(TIMEOUT_MILLIS);
    in = new BufferedInputStream(socket.getInputStream());
  }

  static Reply request(int port, String method, String path, String... headers) throws IOException {
    try (var client = new TestClient(port)) {
      client.send(method, path, headers);
      return client.reply();
    }
  }

  void send(String method, String path, String... headers) throws IOException {
    var head = new StringBuilder(method + " " + path + " HTTP/1.1\r\nhost: x\r\n");
    for (String header : headers) {
      head.append(header).append("\r\n");
    }
    raw(head + "\r\n");
  }

  void raw(String bytes) throws IOException {
    socket.getOutputStream().write(bytes.getBytes(StandardCharsets.ISO_8859_1));
    socket.getOutputStream().flush();
  }

  void shutdownOutput() throws IOException {
    socket.shutdownOutput();
  }

  /** One whole answer. */
  Reply reply() throws IOException {
    String[] status = line().split(" ", 3);
    var headers = new ArrayList<String>();
    int length = 0;
    boolean chunked = false;
    for (String header = line(); !header.isEmpty(); header = line()) {
      headers.add(header);
      if (header.toLowerCase(Locale.ROOT).startsWith("content-length: ")) {
        length = Integer.parseInt(header.substring("content-length: ".length()));
      }
      chunked |= header.equalsIgnoreCase("transfer-encoding: chunked");
    }
    byte[] body = chunked ? chunks() : bytes(length);
    return new Reply(Integer.parseInt(status[1]), headers, body);
  }

  private byte[] bytes(int length) throws IOException {
    byte[] bytes = in.readNBytes(length);
    if (bytes.length < length) {
      throw new EOFException("body: " + bytes.length + " bytes of " + length);
    }
    return bytes;
  }

  private byte[] chunks() throws IOException {
    var body = new ByteArrayOutputStream();
    for (int length = chunk(); length > 0; length = chunk()) {
      body.writeBytes(bytes(length));
      line();
    }
    line();
    return body.toByteArray();
  }

  private int chunk() throws IOException {
    return Integer.parseInt(line(), 16);
  }

  /** All that is left, up to the end of the connection. */
  byte[] rest() throws IOException {
    return in.readAllBytes();
  }

  /** Ends the connection so that the server notices at once. */
  void reset() throws IOException {
    socket.setSoLinger(true, 0);
    socket.close();
  }

  private String line() throws IOException {
    var line = new StringBuilder();
    for (int c = in.read(); c != '\n'; c = in.read()) {
      if (c < 0) {
        throw new EOFException("end of stream after: " + line);
      }
      if (c != '\r') {
        line.append((char) c);
      }
    }
    return line.toString();
  }

  /** Whether the server has ended the connection; waits for it. */
  boolean isEnded() throws IOException {
    return in.read() < 0;
  }

  @Override
  public void close() throws IOException {
    socket.close();
  }
}
