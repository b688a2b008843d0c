package io.ztunnel.bench.load;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.List;

/** Connections that have carried 100 bytes each way, and then rest. For one thread. */
final class IdleConnections implements AutoCloseable {
  private static final int MESSAGE_BYTES = 100;

  private final List<SocketChannel> channels;

  private IdleConnections(List<SocketChannel> channels) {
    this.channels = channels;
  }

  /** Where the sockets come from: the network namespace of the client's pod. */
  interface Sockets {
    SocketChannel open() throws IOException;
  }

  /** Opens them one after the other; each has had its echo when this returns. */
  static IdleConnections open(Sockets sockets, InetSocketAddress echoServer, int count)
      throws IOException {
    IdleConnections connections = new IdleConnections(new ArrayList<>(count));
    try {
      for (int i = 0; i < count; i++) {
        SocketChannel channel = sockets.open();
        connections.channels.add(channel);
        Echo.connect(channel.socket(), echoServer);
        Echo.exchange(channel.socket(), MESSAGE_BYTES);
      }
      return connections;
    } catch (IOException e) {
      IOException withNumber =
          new IOException("idle connection " + connections.channels.size() + ": " + e, e);
      connections.close();
      throw withNumber;
    }
  }

  int count() {
    return channels.size();
  }

  @Override
  public void close() throws IOException {
    for (SocketChannel channel : channels) {
      channel.close();
    }
  }
}
