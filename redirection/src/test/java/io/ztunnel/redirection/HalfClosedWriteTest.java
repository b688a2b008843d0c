package io.ztunnel.redirection;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.channel.socket.SocketProtocolFamily;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What a peer that said all it had to say is still told, however much it is. */
class HalfClosedWriteTest {
  private static final int BYTES = 16 << 20;

  static List<Transport> transports() {
    return SocketFactoryTest.transports();
  }

  @ParameterizedTest
  @MethodSource("transports")
  void aLargeAnswerToAPeerThatHasHalfClosedIsWhole(Transport transport) throws Exception {
    byte[] bytes = new byte[BYTES];
    new Random(4711).nextBytes(bytes);
    CompletableFuture<Throwable> failure = new CompletableFuture<>();
    CompletableFuture<Void> ended = new CompletableFuture<>();
    try (Loops loops = new Loops(transport);
        ServerSocket listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      EventLoop loop = loops.next();
      Channel channel = transport.openChannel(SocketProtocolFamily.INET);
      channel.config().setOption(ChannelOption.ALLOW_HALF_CLOSURE, true);
      channel
          .pipeline()
          .addLast(
              new ChannelInboundHandlerAdapter() {
                @Override
                public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
                  if (event == ChannelInputShutdownEvent.INSTANCE) {
                    ended.complete(null);
                  }
                }

                @Override
                public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
                  failure.complete(cause);
                }
              });
      assertTrue(loop.register(channel).await(5, TimeUnit.SECONDS));
      assertTrue(channel.connect(listener.getLocalSocketAddress()).await(5, TimeUnit.SECONDS));
      try (Socket peer = listener.accept()) {
        peer.shutdownOutput();
        ended.get(5, TimeUnit.SECONDS);
        // As a relay does whose other side is slow: the kernel has nothing left to tell of it.
        loop.submit(() -> channel.config().setAutoRead(false)).get(5, TimeUnit.SECONDS);
        channel.writeAndFlush(Unpooled.wrappedBuffer(bytes), channel.voidPromise());
        // More than the kernel holds, so the rest has to wait.
        loop.submit(() -> assertFalse(channel.isWritable())).get(5, TimeUnit.SECONDS);
        assertArrayEquals(bytes, peer.getInputStream().readNBytes(BYTES));
        assertNull(failure.getNow(null));
      } finally {
        channel.close().await(5, TimeUnit.SECONDS);
      }
    }
  }
}
