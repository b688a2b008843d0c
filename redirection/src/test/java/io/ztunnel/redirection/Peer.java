package io.ztunnel.redirection;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/** An application in a place of the lab: plain blocking sockets of the JDK. Stateless. */
public final class Peer {
  private static final Duration TIMEOUT = Duration.ofSeconds(5);

  /** As many as the JDK has unless told otherwise. */
  private static final int BACKLOG = 50;

  /** What has not grown for so long does not grow. */
  private static final long SETTLED_MILLIS = 200;

  private Peer() {}

  /** Accepts within five seconds, or fails. */
  public static ServerSocket listen(Lab.Place place, int port) throws IOException {
    ServerSocket server = listen(place, port, BACKLOG);
    server.setSoTimeout(millis(TIMEOUT));
    return server;
  }

  /**
   * Waits for connections without a limit.
   *
   * @param backlog connections that may wait to be accepted
   */
  public static ServerSocket listen(Lab.Place place, int port, int backlog) throws IOException {
    ServerSocket server = new ServerSocket();
    try (NetworkNamespace namespace = place.open()) {
      return namespace.call(
          () -> {
            server.bind(new InetSocketAddress(port), backlog); // opens the socket, here
            return server;
          });
    } catch (IOException | RuntimeException e) {
      server.close();
      throw e;
    }
  }

  /** Connects, and reads, within five seconds, or fails. */
  public static Socket connect(Lab.Place place, InetAddress address, int port) throws IOException {
    return connect(place, address, port, TIMEOUT);
  }

  /**
   * Connects.
   *
   * @param timeout for the connect, and for each read
   */
  public static Socket connect(Lab.Place place, InetAddress address, int port, Duration timeout)
      throws IOException {
    Socket socket = new Socket();
    try (NetworkNamespace namespace = place.open()) {
      namespace.call(
          () -> {
            socket.bind(null); // opens the socket, here
            return socket;
          });
      socket.setSoTimeout(millis(timeout));
      socket.connect(new InetSocketAddress(address, port), millis(timeout));
      return socket;
    } catch (IOException | RuntimeException e) {
      socket.close();
      throw e;
    }
  }

  private static int millis(Duration duration) {
    return Math.toIntExact(duration.toMillis());
  }

  /** Returns when the kernel takes no more for a socket that is not read, so its peer must wait. */
  public static void awaitFull(Socket socket) throws IOException, InterruptedException {
    int before = -1;
    for (int now = 0; now != before || now == 0; now = socket.getInputStream().available()) {
      before = now;
      Thread.sleep(SETTLED_MILLIS);
    }
  }

  /** Sends until the other side wants no more, on a thread of its own. */
  public static void upload(Socket socket) {
    byte[] piece = new byte[64 << 10];
    Thread.ofVirtual()
        .start(
            () -> {
              try {
                while (true) {
                  socket.getOutputStream().write(piece);
                }
              } catch (IOException _) {
                // the test has its answer, or finds that there is none
              }
            });
  }

  public static void say(Socket socket, String text) throws IOException {
    socket.getOutputStream().write(text.getBytes(StandardCharsets.UTF_8));
  }

  public static String hear(Socket socket, int bytes) throws IOException {
    return new String(socket.getInputStream().readNBytes(bytes), StandardCharsets.UTF_8);
  }
}
