package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.embedded.EmbeddedChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A connection without a network: frames go in, frames come out, and time stands still until it is
 * told to move. Confined to the test's thread.
 */
abstract sealed class FrameScript implements AutoCloseable permits ServerScript, ClientScript {
  final EmbeddedChannel channel = new EmbeddedChannel();
  final Frames peer = new Frames();
  final List<String> events = new ArrayList<>();

  FrameScript() {
    channel.freezeTime();
  }

  /** All in one read. */
  final void send(ByteBuf... frames) {
    channel.writeInbound(Unpooled.wrappedBuffer(frames));
  }

  /** What was sent since the last call. */
  final List<String> received() {
    channel.runPendingTasks();
    List<String> frames = new ArrayList<>();
    for (ByteBuf out = channel.readOutbound(); out != null; out = channel.readOutbound()) {
      frames.addAll(peer.read(out));
    }
    return frames;
  }

  final void expect(String... frames) {
    assertEquals(List.of(frames), received());
  }

  final void after(Duration time) {
    channel.advanceTimeBy(time.toNanos(), TimeUnit.NANOSECONDS);
    channel.runScheduledPendingTasks();
    channel.runPendingTasks();
  }

  @Override
  public final void close() {
    channel.finishAndReleaseAll();
  }
}
