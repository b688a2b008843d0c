package io.ztunnel.hbone;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.util.concurrent.Ticker;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What does framing cost per DATA frame, by the size of its payload? In the package of what it
 * measures, which is not public. The encoder's figure includes an embedded channel's write, the
 * decoder's has nothing around it.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class FrameCodecBenchmark {
  private static final int STREAM = 1;
  private static final int MAX_FRAME_BYTES = 1 << 20;

  @Param({"128", "16384", "65536"})
  int payloadBytes;

  private final ByteBufAllocator alloc = PooledByteBufAllocator.DEFAULT;
  private final EmbeddedChannel channel = new EmbeddedChannel(new ChannelInboundHandlerAdapter());
  private final FrameWriter writer =
      new FrameWriter(
          channel.pipeline().firstContext(), new FloodGuard(Ticker.systemTicker()), () -> false);
  private final FrameReader reader = new FrameReader(alloc, new Discard(), MAX_FRAME_BYTES);
  private ByteBuf frame = alloc.directBuffer();

  @Setup(Level.Trial)
  public void makeFrame() {
    channel.config().setAllocator(alloc);
    writer.onPeerMaxFrameBytes(MAX_FRAME_BYTES);
    frame.writeMedium(payloadBytes).writeByte(FrameType.DATA).writeByte(0).writeInt(STREAM);
    frame.writeZero(payloadBytes);
  }

  @TearDown(Level.Trial)
  public void release() {
    frame.release();
    writer.close();
    channel.finishAndReleaseAll();
  }

  /** As a relay does: a buffer with room in front, filled by a read from a socket. */
  @Benchmark
  public long encode() {
    ByteBuf payload = alloc.directBuffer(Tunnel.HEAD_ROOM_BYTES + payloadBytes);
    payload.setIndex(Tunnel.HEAD_ROOM_BYTES, Tunnel.HEAD_ROOM_BYTES + payloadBytes);
    writer.data(STREAM, payload, false, null);
    writer.flush();
    long written = 0;
    for (ByteBuf out = channel.readOutbound(); out != null; out = channel.readOutbound()) {
      written += out.readableBytes();
      out.release();
    }
    return written;
  }

  /** As it comes from TLS: whole frames in one buffer, handed on without a copy. */
  @Benchmark
  public void decode() throws ConnectionError {
    reader.read(frame.retainedDuplicate());
  }

  /** Drops everything. */
  private static final class Discard implements FrameHandler {
    @Override
    public void onDataStart(int streamId, int flowBytes) {}

    @Override
    public void onDataChunk(int streamId, ByteBuf chunk) {
      chunk.release();
    }

    @Override
    public void onDataEnd(int streamId, int dataBytes, int paddingBytes, boolean endStream) {}

    @Override
    public void onHeaders(
        int streamId, ByteBuf fragment, boolean endHeaders, boolean endStream, int dependency) {}

    @Override
    public void onContinuation(int streamId, ByteBuf fragment, boolean endHeaders) {}

    @Override
    public void onPriority(int streamId, int dependency) {}

    @Override
    public void onReset(int streamId, long errorCode) {}

    @Override
    public void onSettings(ByteBuf entries) {}

    @Override
    public void onSettingsAck() {}

    @Override
    public void onPing(long payload, boolean ack) {}

    @Override
    public void onGoAway(int lastStreamId, long errorCode, String debug) {}

    @Override
    public void onWindowUpdate(int streamId, int increment) {}

    @Override
    public void onUnknown(int type) {}

    @Override
    public void onFrame(int type, int streamId) {}
  }
}
