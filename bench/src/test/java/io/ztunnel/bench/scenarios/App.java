package io.ztunnel.bench.scenarios;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.ztunnel.redirection.Lab;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * A server program of a pod: a thread accepts, another one talks to each client. Its threads are
 * daemons and end with {@link #close}, which closes their sockets.
 */
final class App implements Closeable {
  private final ServerSocket listener;
  private final Talk talk;
  private final Set<Socket> open = ConcurrentHashMap.newKeySet();
  private final List<InetSocketAddress> clients = new CopyOnWriteArrayList<>();

  /** What a server does with one client; the connection closes afterwards. */
  @FunctionalInterface
  interface Talk {
    void with(Socket client) throws IOException;
  }

  /** Sends everything back twice, until the client ends its side. */
  static final Talk ECHO_TWICE =
      client -> {
        InputStream in = client.getInputStream();
        byte[] buffer = new byte[8192];
        for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
          client.getOutputStream().write(buffer, 0, n);
          client.getOutputStream().write(buffer, 0, n);
        }
      };

  /** Hears all that the client has to say, and sends it back in one piece. */
  static final Talk ECHO_AT_THE_END =
      client -> client.getOutputStream().write(client.getInputStream().readAllBytes());

  /** Says goodbye before the client says anything. */
  static final Talk SAYING_BYE = client -> client.getOutputStream().write("bye".getBytes(UTF_8));

  /** Says a name, whatever the client says before it ends its side. */
  static Talk saying(String name) {
    return client -> {
      client.getInputStream().readAllBytes();
      client.getOutputStream().write(name.getBytes(UTF_8));
    };
  }

  private App(ServerSocket listener, Talk talk) {
    this.listener = listener;
    this.talk = talk;
  }

  static App start(Lab.Place place, int port, Talk talk) throws IOException {
    App app = new App(PodSockets.listen(place, port), talk);
    Thread.ofPlatform().daemon().name("app-" + port).start(app::accept);
    return app;
  }

  private void accept() {
    while (!listener.isClosed()) {
      try {
        Socket client = listener.accept();
        clients.add((InetSocketAddress) client.getRemoteSocketAddress());
        open.add(client);
        Thread.ofPlatform().daemon().start(() -> serve(client));
      } catch (IOException e) {
        // Closed by close(), or one client that went away while it was accepted.
      }
    }
  }

  private void serve(Socket client) {
    try (client) {
      talk.with(client);
    } catch (IOException e) {
      // The client's end is the test's business.
    } finally {
      open.remove(client);
    }
  }

  /** Where its connections came from so far, in order. */
  List<InetSocketAddress> clients() {
    return List.copyOf(clients);
  }

  @Override
  public void close() throws IOException {
    listener.close();
    for (Socket client : open) {
      client.close();
    }
  }
}
