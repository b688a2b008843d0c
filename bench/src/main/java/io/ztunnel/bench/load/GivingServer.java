package io.ztunnel.bench.load;

import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Sends as many bytes as it is asked for, again and again until the client closes. Each connection
 * has a thread of its own, which may wait for ever for a client that does not read; all end with
 * {@link #close}.
 */
final class GivingServer implements AutoCloseable {
  private static final int PIECE_BYTES = 64 * 1024;

  private final ServerSocket listener;
  private final Set<Socket> open = ConcurrentHashMap.newKeySet();

  /**
   * Starts.
   *
   * @param listener bound; owned by this server from now on
   */
  GivingServer(ServerSocket listener) {
    this.listener = listener;
    Thread.ofPlatform().name("giving").daemon().start(this::accept);
  }

  private void accept() {
    while (!listener.isClosed()) {
      try {
        Socket client = listener.accept();
        open.add(client);
        Thread.ofVirtual().start(() -> serve(client));
      } catch (IOException e) {
        // Closed by close(), or a client that has gone.
      }
    }
  }

  private void serve(Socket client) {
    byte[] piece = new byte[PIECE_BYTES];
    try (client) {
      DataInputStream in = new DataInputStream(client.getInputStream());
      OutputStream out = client.getOutputStream();
      while (true) {
        for (int left = in.readInt(); left > 0; left -= Math.min(left, piece.length)) {
          out.write(piece, 0, Math.min(left, piece.length));
        }
      }
    } catch (EOFException e) {
      // It has enough.
    } catch (IOException e) {
      // It has gone, or close() was called.
    } finally {
      open.remove(client);
    }
  }

  @Override
  public void close() throws IOException {
    listener.close();
    for (Socket client : open) {
      client.close();
    }
  }
}
