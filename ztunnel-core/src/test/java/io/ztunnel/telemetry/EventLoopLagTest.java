package io.ztunnel.telemetry;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.util.concurrent.DefaultEventExecutor;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class EventLoopLagTest {
  private final EmbeddedChannel channel = new EmbeddedChannel();

  private void pass(long millis) {
    channel.advanceTimeBy(millis, TimeUnit.MILLISECONDS);
    channel.runScheduledPendingTasks();
  }

  @Test
  void reportsTheWorstOfTheLastHalfMinuteAndStopsWhenClosed() {
    channel.freezeTime();
    var lag = new EventLoopLag(channel.eventLoop());
    channel.runPendingTasks();
    pass(1000);
    assertEquals(0, lag.seconds());
    pass(1250); // a quarter of a second late
    assertEquals(0.25, lag.seconds());
    for (int i = 0; i < 29; i++) {
      pass(1000);
    }
    assertEquals(0.25, lag.seconds());
    pass(1000);
    assertEquals(0, lag.seconds());

    lag.close();
    channel.runPendingTasks();
    assertEquals(-1, channel.runScheduledPendingTasks());
    channel.close();
  }

  @Test
  void aLoopThatHasEndedNeedsNoClosing() throws Exception {
    var loop = new DefaultEventExecutor();
    var lag = new EventLoopLag(loop);
    assertTrue(
        loop.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly(10, TimeUnit.SECONDS));
    lag.close();
    assertEquals(0, lag.seconds());
  }
}
