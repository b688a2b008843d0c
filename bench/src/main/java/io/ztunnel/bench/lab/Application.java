package io.ztunnel.bench.lab;

import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.Peer;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A server in a pod. Each connection is served on a platform thread of its own; {@link #close} ends
 * the listener and every connection. Called by any thread.
 */
public final class Application implements AutoCloseable {
  /** Connections that may wait to be accepted; a client of one more is slowed down. */
  private static final int BACKLOG = 1_024;

  /** How long the listener may take to end. */
  private static final Duration END = Duration.ofSeconds(5);

  /** What it does with a connection, which is closed afterwards. */
  @FunctionalInterface
  public interface Service {
    void serve(Socket connection) throws IOException, InterruptedException;

    /** Sends everything back. */
    static void echo(Socket connection) throws IOException {
      connection.getInputStream().transferTo(connection.getOutputStream());
    }
  }

  private final ServerSocket listener;
  private final Service service;
  private final Set<Socket> connections = ConcurrentHashMap.newKeySet();
  private final Thread accepting;

  private Application(ServerSocket listener, Service service) {
    this.listener = listener;
    this.service = service;
    this.accepting = Thread.ofVirtual().unstarted(this::accept);
  }

  /** Listens when this returns. */
  public static Application start(Lab.Place place, int port, Service service) throws IOException {
    Application application = new Application(Peer.listen(place, port, BACKLOG), service);
    application.accepting.start();
    return application;
  }

  /** The connections that it serves now. */
  public int connections() {
    return connections.size();
  }

  private void accept() {
    while (!listener.isClosed()) {
      try {
        Socket connection = listener.accept();
        connections.add(connection);
        Thread.ofPlatform().daemon().start(() -> serve(connection));
      } catch (IOException e) {
        // closed, or one client that went away while it was accepted
      }
    }
  }

  private void serve(Socket connection) {
    try (connection) {
      service.serve(connection);
    } catch (IOException e) {
      // The client has gone, or we close: what it means is seen at the client.
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      connections.remove(connection);
    }
  }

  /** Closes so that the other end sees a reset. */
  public static void reset(Socket connection) throws IOException {
    connection.setSoLinger(true, 0);
    connection.close();
  }

  /** Takes no new connections: the kernel refuses them when this returns. */
  public void refuse() throws IOException {
    listener.close();
    // The socket listens until the thread that waits in accept has let it go.
    try {
      if (!accepting.join(END)) {
        throw new IOException("%s still listens after %s".formatted(this, END));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted while %s ends".formatted(this));
    }
  }

  /** The port is free at once: no connection of this server lingers. */
  @Override
  public void close() throws IOException {
    refuse();
    for (Socket connection : connections) {
      try {
        reset(connection);
      } catch (SocketException e) {
        // its service closes it in this very moment
      }
    }
  }

  @Override
  public String toString() {
    return listener.getLocalSocketAddress() instanceof InetSocketAddress address
        ? "application at port " + address.getPort()
        : "application";
  }
}
