package io.ztunnel.redirection;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/** An application in a place of the lab: plain blocking sockets of the JDK. Stateless. */
public final class Peer {
  private static final int TIMEOUT_MILLIS = 5_000;

  private Peer() {}

  public static ServerSocket listen(Lab.Place place, int port) throws IOException {
    ServerSocket server = new ServerSocket();
    try (NetworkNamespace namespace = place.open()) {
      namespace.call(
          () -> {
            server.bind(new InetSocketAddress(port)); // opens the socket, here
            return server;
          });
    }
    server.setSoTimeout(TIMEOUT_MILLIS);
    return server;
  }

  public static Socket connect(Lab.Place place, InetAddress address, int port) throws IOException {
    Socket socket = new Socket();
    try (NetworkNamespace namespace = place.open()) {
      namespace.call(
          () -> {
            socket.bind(null); // opens the socket, here
            return socket;
          });
    }
    socket.setSoTimeout(TIMEOUT_MILLIS);
    socket.connect(new InetSocketAddress(address, port), TIMEOUT_MILLIS);
    return socket;
  }

  public static void say(Socket socket, String text) throws IOException {
    socket.getOutputStream().write(text.getBytes(StandardCharsets.UTF_8));
  }

  public static String hear(Socket socket, int bytes) throws IOException {
    return new String(socket.getInputStream().readNBytes(bytes), StandardCharsets.UTF_8);
  }
}
