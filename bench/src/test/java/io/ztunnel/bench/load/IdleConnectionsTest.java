package io.ztunnel.bench.load;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import org.junit.jupiter.api.Test;

class IdleConnectionsTest {
  private static ServerSocketChannel listener() throws IOException {
    return ServerSocketChannel.open()
        .bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
  }

  @Test
  void everyConnectionHasHadItsEcho() throws IOException {
    ServerSocketChannel listener = listener();
    InetSocketAddress address = (InetSocketAddress) listener.getLocalAddress();
    try (var _ = new EchoServer(listener);
        var connections = IdleConnections.open(SocketChannel::open, address, 20)) {
      assertEquals(20, connections.count());
    }
  }

  @Test
  void connectionThatFailsIsNamedByItsNumber() throws IOException {
    ServerSocketChannel listener = listener();
    InetSocketAddress address = (InetSocketAddress) listener.getLocalAddress();
    listener.close();

    var thrown =
        assertThrows(
            IOException.class, () -> IdleConnections.open(SocketChannel::open, address, 3));

    assertTrue(String.valueOf(thrown.getMessage()).startsWith("idle connection 1: "));
  }
}
