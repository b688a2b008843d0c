package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.netty.buffer.ByteBuf;
import io.netty.channel.DefaultEventLoop;
import io.netty.channel.EventLoop;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class TunnelChannelTest {
  private final EventLoop loop = new DefaultEventLoop();

  @AfterEach
  void stopLoop() {
    loop.shutdownGracefully(0, 5, TimeUnit.SECONDS);
  }

  @Test
  void aFrameHeaderCanGoInFrontOfWhatIsWrittenInTheSameBuffer() throws Exception {
    RecordingTunnel tunnel = new RecordingTunnel(loop);
    loop.submit(
            () -> {
              TunnelChannel channel =
                  new TunnelChannel(
                      tunnel, new InetSocketAddress(InetAddress.getLoopbackAddress(), 1));
              channel.config().setAllocator(HeadRoomBuffers.INSTANCE);
              loop.register(channel);
              channel.writeAndFlush(channel.alloc().directBuffer(100).writeZero(100));
            })
        .get(10, TimeUnit.SECONDS);
    assertEquals(
        List.of(new Written(100, Tunnel.HEAD_ROOM_BYTES, /* owners= */ 1)), tunnel.written);
  }

  @Test
  void whoClosesWhenItsLastBytesAreWrittenDoesNotCutThemOff() throws Exception {
    RecordingTunnel tunnel = new RecordingTunnel(loop);
    tunnel.writable = false;
    loop.submit(
            () -> {
              TunnelChannel channel =
                  new TunnelChannel(
                      tunnel, new InetSocketAddress(InetAddress.getLoopbackAddress(), 1));
              loop.register(channel);
              // As TLS does after its close_notify.
              channel
                  .writeAndFlush(channel.alloc().directBuffer(7).writeZero(7))
                  .addListener(_ -> channel.close());
              assertEquals(List.of(), tunnel.events);
              tunnel.writable = true;
              channel.onWritabilityChanged();
            })
        .get(10, TimeUnit.SECONDS);
    assertEquals(List.of("7 bytes", "end"), tunnel.events);
  }

  private record Written(int bytes, int roomInFront, int owners) {}

  /** Notes what it is given. */
  private static final class RecordingTunnel implements Tunnel {
    final List<Written> written = new ArrayList<>();
    final List<String> events = new ArrayList<>();
    boolean writable = true;
    private final EventLoop loop;

    RecordingTunnel(EventLoop loop) {
      this.loop = loop;
    }

    @Override
    public EventLoop eventLoop() {
      return loop;
    }

    @Override
    public void write(ByteBuf payload) {
      events.add(payload.readableBytes() + " bytes");
      written.add(new Written(payload.readableBytes(), payload.readerIndex(), payload.refCnt()));
      payload.release();
    }

    @Override
    public boolean isWritable() {
      return writable;
    }

    @Override
    public void shutdownOutput() {
      events.add("end");
    }

    @Override
    public void leave() {}

    @Override
    public void resetAfterWrites() {}

    @Override
    public void consumed(int bytes) {}

    @Override
    public void reset(TunnelReset code) {}
  }
}
