package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.embedded.EmbeddedChannel;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class TcpLegTest {
  private final FlushCount flushes = new FlushCount();
  private final EmbeddedChannel channel = new EmbeddedChannel(flushes);
  private final TcpLeg leg = new TcpLeg(channel);

  /** How often the socket was asked to take what was written. */
  private static final class FlushCount extends ChannelOutboundHandlerAdapter {
    private int count;

    @Override
    public void flush(ChannelHandlerContext ctx) {
      count++;
      ctx.flush();
    }
  }

  @AfterEach
  void close() {
    boolean _ = channel.finishAndReleaseAll();
  }

  private int takeWritten() {
    ByteBuf written = channel.readOutbound();
    int bytes = written.readableBytes();
    written.release();
    return bytes;
  }

  @Test
  void aCrumbBehindALargePayloadLeavesWithIt() {
    channel.pipeline().addLast(leg.handler());
    leg.write(Unpooled.directBuffer().writeZero(256 << 10));
    assertFalse(channel.isWritable(), "the crumb is no case of its own");
    leg.write(Unpooled.directBuffer().writeZero(9));

    leg.flush();

    assertEquals(1, flushes.count);
    assertEquals(256 << 10, takeWritten());
    assertEquals(9, takeWritten());
  }
}
