package io.ztunnel.bench.lab;

import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.Peer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A server in a pod. Each connection is served on a thread of its own; {@link #close} ends the
 * listener and every connection. Called by any thread.
 */
public final class Application implements AutoCloseable {
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

  private Application(ServerSocket listener, Service service) {
    this.listener = listener;
    this.service = service;
  }

  /** Listens when this returns. */
  public static Application start(Lab.Place place, int port, Service service) throws IOException {
    ServerSocket listener = Peer.listen(place, port);
    listener.setSoTimeout(0);
    Application application = new Application(listener, service);
    Thread.ofVirtual().start(application::accept);
    return application;
  }

  /** The connections that it serves now. */
  public int connections() {
    return connections.size();
  }

  private void accept() {
    try {
      while (true) {
        Socket connection = listener.accept();
        connections.add(connection);
        Thread.ofVirtual().start(() -> serve(connection));
      }
    } catch (IOException e) {
      // closed
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

  /** Takes no new connections. */
  public void refuse() throws IOException {
    listener.close();
  }

  /** The port is free at once: no connection of this server lingers. */
  @Override
  public void close() throws IOException {
    listener.close();
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
