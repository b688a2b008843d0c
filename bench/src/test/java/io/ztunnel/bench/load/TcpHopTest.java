package io.ztunnel.bench.load;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.netty.channel.Channel;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.EpollIoHandler;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

class TcpHopTest {
  @Test
  void carriesAllBytesAndTheHalfCloseBothWays() throws Exception {
    byte[] sent = new byte[8 << 20];
    new Random(7).nextBytes(sent);
    var loops = new MultiThreadIoEventLoopGroup(1, EpollIoHandler.newFactory());
    try (ServerSocket backend = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      Channel hop =
          TcpHop.listen(
              loops, 0, new InetSocketAddress(backend.getInetAddress(), backend.getLocalPort()));
      int port = ((InetSocketAddress) hop.localAddress()).getPort();
      CompletableFuture<byte[]> received = CompletableFuture.supplyAsync(() -> echoAtEnd(backend));

      try (Socket client = new Socket(InetAddress.getLoopbackAddress(), port)) {
        client.getOutputStream().write(sent);
        client.shutdownOutput();

        assertArrayEquals(sent, client.getInputStream().readAllBytes());
      }
      assertEquals(sent.length, received.join().length);
    } finally {
      loops.shutdownGracefully();
    }
  }

  /** Answers only once the client has closed its side: so the half-close must have come through. */
  private static byte[] echoAtEnd(ServerSocket backend) {
    try (Socket accepted = backend.accept()) {
      byte[] all = accepted.getInputStream().readAllBytes();
      accepted.getOutputStream().write(all);
      return all;
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }
}
