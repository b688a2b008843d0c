package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.util.concurrent.Ticker;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What goes out together. */
class FrameFlushTest {
  private static final int PING_BYTES = FrameType.HEADER_BYTES + 8;
  private static final int LARGE_BYTES = 8_000;

  @ParameterizedTest(name = "{0}, {1} then {2}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          alone  | small | small | 17, 17   | nobody is waited for
          shared | small | small | 34       | what is said in the next turn goes along
          shared | large | small | 8009, 17 | a large payload goes at the end of its turn
          """)
  void ofTwoTurns(String connection, String first, String second, String expected, String why) {
    EmbeddedChannel channel = new EmbeddedChannel(new ChannelInboundHandlerAdapter());
    FrameWriter writer =
        new FrameWriter(
            channel.pipeline().firstContext(),
            new FloodGuard(Ticker.systemTicker()),
            () -> connection.equals("shared"));
    write(writer, first);
    // Behind the task that ends the turn, before that of the next one.
    channel.eventLoop().execute(() -> write(writer, second));
    channel.runPendingTasks();
    List<String> sent = new ArrayList<>();
    for (ByteBuf out = channel.readOutbound(); out != null; out = channel.readOutbound()) {
      sent.add(String.valueOf(out.readableBytes()));
      out.release();
    }
    assertEquals(expected, String.join(", ", sent), why);
    writer.close();
    channel.finishAndReleaseAll();
  }

  private static void write(FrameWriter writer, String size) {
    if (size.equals("large")) {
      ByteBuf payload = Unpooled.buffer(Tunnel.HEAD_ROOM_BYTES + LARGE_BYTES);
      writer.data(1, payload.setIndex(Tunnel.HEAD_ROOM_BYTES, payload.capacity()), false, null);
    } else {
      writer.ping(PING_BYTES, false);
    }
  }
}
