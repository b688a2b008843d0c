package io.ztunnel.redirection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.DefaultSelectStrategyFactory;
import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.SelectStrategy;
import io.netty.channel.SelectStrategyFactory;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.socket.ChannelOutputShutdownEvent;
import io.netty.channel.socket.SocketProtocolFamily;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** A socket that was reset while much was to be sent to it, and whose reader is paused. */
class DeadSocketTest {
  private static final int BYTES = 16 << 20;
  private static final int LAST_WORDS = 60_000;

  /** How often the loop has asked the kernel for events. */
  private final AtomicInteger turns = new AtomicInteger();

  private SelectStrategyFactory counting() {
    return () -> {
      SelectStrategy strategy = DefaultSelectStrategyFactory.INSTANCE.newSelectStrategy();
      return (selectSupplier, hasTasks) -> {
        turns.incrementAndGet();
        return strategy.calculateStrategy(selectSupplier, hasTasks);
      };
    };
  }

  private static final class Reader extends ChannelInboundHandlerAdapter {
    final CompletableFuture<Void> outputLost = new CompletableFuture<>();
    final CompletableFuture<Integer> read = new CompletableFuture<>();
    private int received;

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
      ByteBuf bytes = (ByteBuf) message;
      received += bytes.readableBytes();
      bytes.release();
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
      if (event == ChannelOutputShutdownEvent.INSTANCE) {
        outputLost.complete(null);
      }
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) {
      read.complete(received);
    }
  }

  @Test
  @SuppressWarnings("deprecation") // setAutoClose: as the data path has it
  void letsItsLoopSleepAndIsReadInTheEnd() throws Exception {
    EventLoopGroup group =
        new MultiThreadIoEventLoopGroup(
            1, ArmedEpollHandler.wrapping(EpollIoHandler.newFactory(0, counting())));
    try (ServerSocket listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      EventLoop loop = group.next();
      Reader reader = new Reader();
      Channel channel = Transport.EPOLL.openChannel(SocketProtocolFamily.INET);
      channel.config().setAutoRead(false).setAutoClose(false);
      channel.pipeline().addLast(reader);
      Loops.await(loop.register(channel));
      Loops.await(channel.connect(listener.getLocalSocketAddress()));
      try (Socket peer = listener.accept()) {
        channel.writeAndFlush(Unpooled.directBuffer(BYTES).writeZero(BYTES));
        Peer.awaitFull(peer);
        peer.getOutputStream().write(new byte[LAST_WORDS]);
        peer.setSoLinger(true, 0);
      }
      reader.outputLost.get(5, TimeUnit.SECONDS);
      int before = turns.get();
      TimeUnit.MILLISECONDS.sleep(300);
      int while300Millis = turns.get() - before;
      assertTrue(while300Millis < 20, while300Millis + " turns");
      Loops.on(loop, () -> channel.config().setAutoRead(true));
      assertEquals(LAST_WORDS, reader.read.get(5, TimeUnit.SECONDS));
    } finally {
      group.shutdownGracefully(0, 5, TimeUnit.SECONDS).await(10, TimeUnit.SECONDS);
    }
  }
}
