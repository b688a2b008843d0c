package io.ztunnel.admin;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.Unpooled;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.util.ReferenceCountUtil;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class HeadDeadlineTest {
  private final HeadDeadline deadline = new HeadDeadline();
  private final EmbeddedChannel channel = new EmbeddedChannel();

  HeadDeadlineTest() {
    channel.freezeTime();
    channel.pipeline().addLast(deadline);
  }

  @AfterEach
  void close() {
    channel.close();
    assertEquals(-1, channel.runScheduledPendingTasks());
  }

  private void pass(long millis) {
    channel.advanceTimeBy(millis, TimeUnit.MILLISECONDS);
    channel.runScheduledPendingTasks();
  }

  private void someBytes() {
    channel.writeInbound(Unpooled.wrappedBuffer(new byte[] {'G'}));
    ReferenceCountUtil.release(channel.readInbound());
  }

  private void wholeRequest() {
    someBytes();
    deadline.onRequest(channel.pipeline().context(deadline));
  }

  private void answer() {
    deadline.onAnswered(channel.pipeline().context(deadline));
  }

  @Test
  void aSilentConnectionIsClosed() {
    pass(1_999);
    assertTrue(channel.isOpen());
    pass(1);
    assertFalse(channel.isOpen());
  }

  @Test
  void drippingBytesDoNotBuyTime() {
    for (int i = 0; i < 4; i++) {
      someBytes();
      pass(500);
    }
    assertFalse(channel.isOpen());
  }

  @Test
  void betweenRequestsAConnectionMayRestLonger() {
    wholeRequest();
    answer();
    pass(100_000);
    assertTrue(channel.isOpen());
    wholeRequest();
    answer();
    pass(119_999);
    assertTrue(channel.isOpen());
    pass(1);
    assertFalse(channel.isOpen());
  }

  @Test
  void anAnswerMayTakeItsTime() {
    wholeRequest();
    pass(600_000);
    assertTrue(channel.isOpen());
  }

  @Test
  void aSecondRequestThatStallsIsClosed() {
    wholeRequest();
    answer();
    pass(10_000);
    someBytes();
    pass(2_000);
    assertFalse(channel.isOpen());
  }
}
