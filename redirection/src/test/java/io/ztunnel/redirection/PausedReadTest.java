package io.ztunnel.redirection;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.netty.channel.FixedRecvByteBufAllocator;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.channel.socket.SocketProtocolFamily;
import java.io.ByteArrayOutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What a reader that is paused gets of a peer that has sent much, and ended. */
class PausedReadTest {
  private static final int READ_BYTES = 4 << 10;
  private static final int BYTES = 16 * READ_BYTES;

  private static final String END = "end";

  /** Pauses after each read. */
  private static final class Reader extends ChannelInboundHandlerAdapter {
    final BlockingQueue<String> events = new LinkedBlockingQueue<>();
    final ByteArrayOutputStream received = new ByteArrayOutputStream(); // the loop's

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
      ByteBuf bytes = (ByteBuf) message;
      ctx.channel().config().setAutoRead(false);
      received.writeBytes(ByteBufUtil.getBytes(bytes));
      bytes.release();
      events.add(received.size() + " bytes");
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
      if (event == ChannelInputShutdownEvent.INSTANCE) {
        events.add(END);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(
      mode = EnumSource.Mode.EXCLUDE,
      names = "IO_URING") // Netty reads on there when the peer has ended
  void onlyWhatItAsksForAndTheEndBehindIt(Transport transport) throws Exception {
    byte[] bytes = new byte[BYTES];
    new Random(4711).nextBytes(bytes);
    Reader reader = new Reader();
    try (Loops loops = new Loops(transport);
        ServerSocket listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      EventLoop loop = loops.next();
      Channel channel = transport.openChannel(SocketProtocolFamily.INET);
      channel.config().setOption(ChannelOption.ALLOW_HALF_CLOSURE, true);
      channel.config().setOption(ChannelOption.AUTO_READ, false);
      channel
          .config()
          .setRecvByteBufAllocator(new FixedRecvByteBufAllocator(READ_BYTES).maxMessagesPerRead(1));
      channel.pipeline().addLast(reader);
      Loops.await(loop.register(channel));
      Loops.await(channel.connect(listener.getLocalSocketAddress()));
      try (Socket peer = listener.accept()) {
        peer.getOutputStream().write(bytes);
        peer.shutdownOutput();
        for (int asked = READ_BYTES; asked <= BYTES; asked += READ_BYTES) {
          Loops.on(loop, () -> channel.config().setAutoRead(true));
          assertEquals(asked + " bytes", reader.events.poll(5, TimeUnit.SECONDS));
          int received = Loops.on(loop, reader.received::size);
          assertEquals(asked, received, "what was asked for");
        }
        assertNull(reader.events.poll());
        Loops.on(loop, () -> channel.config().setAutoRead(true));
        assertEquals(END, reader.events.poll(5, TimeUnit.SECONDS));
        assertArrayEquals(bytes, Loops.on(loop, reader.received::toByteArray));
      } finally {
        channel.close().await(5, TimeUnit.SECONDS);
      }
      assertNull(reader.events.poll(), "after the end");
    }
  }
}
