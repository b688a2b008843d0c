package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOutboundHandlerAdapter;
import io.netty.channel.WriteBufferWaterMark;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FlowControlTest {
  private static final int STREAM_WINDOW = 4 << 20;
  private static final int FRAME = 1 << 20;

  private static RecordingListener stalled(ServerScript script, int id) {
    RecordingListener listener = script.open(id);
    listener.consumes = false;
    return listener;
  }

  private static long updates(List<String> frames, int streamId) {
    String prefix = "WINDOW_UPDATE " + streamId + " ";
    return frames.stream()
        .filter(frame -> frame.startsWith(prefix))
        .mapToLong(frame -> Long.parseLong(frame.substring(prefix.length())))
        .sum();
  }

  @Test
  void creditOfTheConnectionDoesNotWaitForReaders() {
    try (ServerScript script = ServerScript.started()) {
      // Eight readers that never read take four times their windows together, twice the
      // connection's window.
      for (int i = 0; i < 8; i++) {
        stalled(script, 2 * i + 1);
      }
      long given = 0;
      for (int i = 0; i < 8; i++) {
        for (int sent = 0; sent < STREAM_WINDOW; sent += FRAME) {
          script.send(Frames.data(2 * i + 1, FRAME, false));
        }
        List<String> frames = script.received();
        given += updates(frames, 0);
        assertEquals(0, updates(frames, 2 * i + 1));
      }
      assertEquals(8L * STREAM_WINDOW, given);
      RecordingListener neighbour = script.open(101);
      script.send(Frames.data(101, FRAME, true));
      assertEquals(FRAME, neighbour.received);
      script.expectAlive();
    }
  }

  @Test
  void creditOfTheStreamComesWithConsumptionInEighths() {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener listener = stalled(script, 1);
      script.send(Frames.data(1, FRAME, false));
      script.received();
      listener.tunnel().consumed(STREAM_WINDOW / 8 - 1);
      script.expect();
      listener.tunnel().consumed(1);
      script.expect("WINDOW_UPDATE 1 " + STREAM_WINDOW / 8);
      assertThrows(IllegalArgumentException.class, () -> listener.tunnel().consumed(FRAME));
    }
  }

  @Test
  void aStreamBeyondItsWindowIsReset() {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener listener = stalled(script, 1);
      for (int i = 0; i < 4; i++) {
        script.send(Frames.data(1, FRAME, false));
      }
      script.received();
      script.send(Frames.data(1, 1, false));
      script.expect("RST_STREAM 1 FLOW_CONTROL_ERROR");
      assertEquals(STREAM_WINDOW, listener.received);
      assertEquals(List.of("Reset[errorCode=3]"), listener.events);
    }
  }

  @Test
  void aConnectionBeyondItsWindowIsEnded() {
    // Above the budget, each connection has its window and no more.
    try (ServerScript script = ServerScript.started(TestSettings.heldBytes(6 << 20))) {
      int sent = 0;
      for (int id = 1; id < 100 && script.channel.isOpen(); id += 2) {
        stalled(script, id);
        for (int i = 0; i < 4 && script.channel.isOpen(); i++) {
          script.send(Frames.data(id, FRAME, false));
          sent += FRAME;
        }
      }
      script.expectConnectionError("FLOW_CONTROL_ERROR");
      assertEquals((22 << 20) + FRAME, sent);
    }
  }

  @Test
  void paddingIsCreditedOnBothLevels() {
    try (ServerScript script = ServerScript.started()) {
      stalled(script, 1);
      ByteBuf padded =
          Frames.frame(
              FrameType.DATA,
              FrameType.PADDED,
              1,
              Unpooled.buffer().writeByte(255).writeZero(1000 + 255));
      int frames = 20_000;
      long connection = 0;
      long stream = 0;
      for (int i = 0; i < frames && script.channel.isOpen(); i++) {
        script.send(padded.retainedDuplicate());
        List<String> received = script.received();
        connection += updates(received, 0);
        stream += updates(received, 1);
        if (1000L * i > STREAM_WINDOW - 10_000) {
          break; // the payload's part of the window is full
        }
      }
      padded.release();
      script.expectAlive();
      assertTrue(connection >= STREAM_WINDOW / 2, "connection " + connection);
      assertTrue(stream >= STREAM_WINDOW / 8, "stream " + stream);
    }
  }

  @Test
  void creditIsNotLostWhenTheOwnerResets() {
    try (ServerScript script = ServerScript.started(TestSettings.heldBytes(1))) {
      long sent = 0;
      long credited = 0;
      for (int id = 1; id < 201; id += 2) {
        RecordingListener listener = stalled(script, id);
        script.send(Frames.data(id, FRAME, false));
        listener.tunnel().reset(TunnelReset.CANCEL);
        script.send(Frames.data(id, FRAME, false)); // on its way when we reset
        sent += 2 * FRAME;
        credited += updates(script.received(), 0);
      }
      script.expectAlive();
      assertTrue(sent - credited < (16 << 20) / 8, "lost " + (sent - credited));
    }
  }

  @Test
  void aPartOfAFrameOnAResetStreamIsCreditedToo() {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener listener = stalled(script, 1);
      ByteBuf frame = Frames.data(1, FRAME, false);
      long credited = 0;
      script.send(frame.readBytes(500_000));
      listener.tunnel().reset(TunnelReset.CANCEL);
      script.send(frame);
      credited += updates(script.received(), 0);
      for (int i = 0; i < 3; i++) {
        script.send(Frames.data(1, FRAME, false));
        credited += updates(script.received(), 0);
      }
      assertEquals(4L * FRAME, credited);
      assertTrue(listener.received < 500_000);
    }
  }

  @Test
  void aboveTheBudgetCreditFollowsConsumption() {
    HboneSettings settings = TestSettings.heldBytes(1 << 20);
    try (ServerScript script = ServerScript.started(settings)) {
      RecordingListener slow = stalled(script, 1);
      for (int i = 0; i < 4; i++) {
        script.send(Frames.data(1, FRAME, false));
      }
      long credited = updates(script.received(), 0);
      // One budget's worth, and what came before the total knew.
      assertTrue(credited <= 2 * FRAME, "credited " + credited);
      assertTrue(settings.heldBytes().total() >= 4 * FRAME - (64 << 10));
      // A reader that reads gets its credit all the same.
      RecordingListener quick = script.open(3);
      long quickCredit = 0;
      for (int i = 0; i < 64; i++) {
        script.send(Frames.data(3, FRAME, false));
        quickCredit += updates(script.received(), 0);
      }
      assertEquals(64L * FRAME, quick.received);
      assertTrue(64L * FRAME - quickCredit <= 2 * FRAME, "credited " + quickCredit);
      // The slow one wakes up: everything comes back.
      slow.tunnel().consumed(4 * FRAME);
      credited += quickCredit + updates(script.received(), 0);
      assertTrue(68L * FRAME - credited <= 2 * FRAME, "credited " + credited);
      assertTrue(settings.heldBytes().total() < 64 << 10);
    }
  }

  @Test
  void oneConnectionIsRelievedByAnother() {
    HboneSettings settings = TestSettings.heldBytes(2 << 20);
    try (ServerScript full = ServerScript.started(settings);
        ServerScript other = ServerScript.started(settings)) {
      RecordingListener slow = stalled(full, 1);
      for (int i = 0; i < 3; i++) {
        full.send(Frames.data(1, FRAME, false));
      }
      stalled(other, 1);
      other.send(Frames.data(1, FRAME, false), Frames.data(1, FRAME, false));
      other.send(Frames.data(1, FRAME, false));
      assertEquals(0, updates(other.received(), 0));
      slow.tunnel().reset(TunnelReset.CANCEL);
      full.connection.close("gone");
      assertEquals(0, updates(other.received(), 0), "the other alone still holds too much");
      other.send(Frames.reset(1, 8));
      assertEquals(3L * FRAME, updates(other.received(), 0));
      assertEquals(0, settings.heldBytes().total());
    }
  }

  @Test
  void theSlowestReadersGoWhenWindowsThatWereOpenBringMoreThanThereIsRoomFor() {
    HboneSettings settings = TestSettings.heldBytes(1 << 20);
    try (ServerScript one = ServerScript.started(settings);
        ServerScript other = ServerScript.started(settings)) {
      RecordingListener slow = stalled(one, 1);
      RecordingListener slowest = stalled(one, 3);
      one.send(Frames.data(1, FRAME, false));
      one.send(Frames.data(3, FRAME, false), Frames.data(3, FRAME, false));
      RecordingListener neighbour = stalled(other, 1);
      other.send(Frames.data(1, FRAME, false));
      one.received();
      other.received();
      // The frame that is too many is not of the one that has to go, and may be its stream's first.
      RecordingListener late = stalled(other, 3);
      other.send(Frames.data(3, 100_000, true));
      one.channel.runPendingTasks();
      assertTrue(one.received().contains("RST_STREAM 3 ENHANCE_YOUR_CALM"));
      assertEquals(List.of("ReaderTooSlow[heldBytes=" + 2 * FRAME + "]"), slowest.events);
      assertEquals(List.of(), slow.events);
      assertEquals(List.of(), neighbour.events);
      assertEquals(List.of("end"), late.events);
      assertTrue(settings.heldBytes().total() <= 3 * FRAME, "there is room again");
      one.expectAlive();
      other.expectAlive();
    }
  }

  /** A connection that holds three frames for a reader that has stopped. */
  private static ServerScript filled(HboneSettings settings) {
    ServerScript script = ServerScript.started(settings);
    stalled(script, 1);
    for (int i = 0; i < 3; i++) {
      script.send(Frames.data(1, FRAME, false));
    }
    return script;
  }

  @Test
  void aConnectionThatComesAboveTheBudgetGetsItsWindowWhenThereIsRoom() {
    HboneSettings settings = TestSettings.heldBytes(1 << 20);
    try (ServerScript full = filled(settings);
        ServerScript late = new ServerScript(settings)) {
      late.send(Unpooled.wrappedBuffer(Frames.PREFACE), Frames.settings(), Frames.settingsAck());
      assertEquals(0, updates(late.received(), 0));
      // A reader that reads goes on within the little that there is.
      RecordingListener quick = late.open(1);
      long credited = 0;
      for (int i = 0; i < 100; i++) {
        late.send(Frames.data(1, 20_000, false));
        credited += updates(late.received(), 0);
      }
      late.expectAlive();
      assertEquals(2_000_000, quick.received);
      assertTrue(credited >= 2_000_000 - 65_535, "credited " + credited);
      full.connection.close("gone");
      late.channel.runPendingTasks();
      assertEquals((16 << 20) - 65_535, updates(late.received(), 0));
    }
  }

  @Test
  void smallPiecesForASlowReaderArePutTogether() {
    try (ServerScript script = ServerScript.started()) {
      script.send(script.peer.connect(1));
      List<ByteBuf> given = new ArrayList<>();
      RecordingListener listener =
          new RecordingListener() {
            @Override
            public void onData(ByteBuf data) {
              given.add(data);
            }
          };
      Tunnel tunnel = script.connects.getFirst().accept(ConnectAnswer.PLAIN, listener);
      script.send(Frames.data(1, 300_000, false));
      int large = given.size();
      for (int i = 0; i < 10_000; i++) {
        script.send(Frames.data(1, 10, false));
      }
      assertTrue(given.size() - large <= 7, "pieces: " + (given.size() - large));
      // Once the reader has caught up, nothing is held back.
      int bytes = given.stream().mapToInt(ByteBuf::readableBytes).sum();
      tunnel.consumed(bytes);
      script.channel.runPendingTasks();
      assertEquals(400_000, given.stream().mapToInt(ByteBuf::readableBytes).sum());
      script.send(Frames.data(1, 10, true));
      assertEquals(400_010, given.stream().mapToInt(ByteBuf::readableBytes).sum());
      assertEquals(List.of("end"), listener.events);
      given.forEach(ByteBuf::release);
    }
  }

  @Test
  void sendingStopsAtTheStreamsWindow() {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener listener = script.open(1);
      listener.tunnel().write(Unpooled.wrappedBuffer(new byte[70_000]));
      script.expect("DATA 1 16384", "DATA 1 16384", "DATA 1 16384", "DATA 1 16383");
      assertFalse(listener.tunnel().isWritable());
      listener.tunnel().shutdownOutput();
      script.send(Frames.windowUpdate(0, 100_000));
      script.expect();
      script.send(Frames.windowUpdate(1, 4_000));
      script.expect("DATA 1 4000");
      script.send(Frames.windowUpdate(1, 4_000));
      script.expect("DATA 1 465 END_STREAM");
    }
  }

  /** Ends a tunnel for which more waits than its window takes; these frames come last. */
  private static void assertEndsBehindWhatWaits(Consumer<Tunnel> end, String... last) {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener listener = script.open(1);
      listener.tunnel().write(Unpooled.wrappedBuffer(new byte[65_545]));
      end.accept(listener.tunnel());
      listener.tunnel().write(Unpooled.wrappedBuffer(new byte[1])); // too late
      script.received();
      script.send(Frames.data(1, 7, false)); // to no avail, but it is taken
      assertEquals(7, listener.received);
      script.send(Frames.windowUpdate(0, 100), Frames.windowUpdate(1, 9));
      script.expect("DATA 1 9");
      assertEquals(List.of(), listener.events);
      script.send(Frames.windowUpdate(1, 9));
      script.expect(last);
      assertEquals(List.of("finished"), listener.events);
      assertTrue(script.connection.http2().streams().isEmpty());
    }
  }

  @Test
  void aTunnelThatIsLeftEndsInOrderFirstHoweverLongItsWindowIsShut() {
    assertEndsBehindWhatWaits(Tunnel::leave, "DATA 1 1 END_STREAM", "RST_STREAM 1 NO_ERROR");
  }

  @Test
  void aResetThatFollowsWhatWasWrittenWaitsForTheWindow() {
    assertEndsBehindWhatWaits(Tunnel::resetAfterWrites, "DATA 1 1", "RST_STREAM 1 CANCEL");
  }

  @Test
  void aTunnelThatIsLeftNeedsNoResetIfItsPeerHasEnded() {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener listener = script.open(1);
      listener.tunnel().write(Unpooled.wrappedBuffer(new byte[65_536]));
      listener.tunnel().leave();
      script.received();
      script.send(Frames.data(1, 0, true));
      script.send(Frames.windowUpdate(0, 100), Frames.windowUpdate(1, 9));
      script.expect("DATA 1 1 END_STREAM");
      assertEquals(List.of("end", "finished"), listener.events);
      assertTrue(script.connection.http2().streams().isEmpty());
    }
  }

  @ParameterizedTest(name = "half ended before: {0}")
  @ValueSource(booleans = {false, true})
  void aResetComesAtOnceWithNothingToWaitFor(boolean ended) {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener listener = script.open(1);
      listener.tunnel().write(Unpooled.wrappedBuffer(new byte[65_535]));
      if (ended) {
        listener.tunnel().write(Unpooled.wrappedBuffer(new byte[1])); // dropped
        listener.tunnel().shutdownOutput();
      }
      script.received();
      listener.tunnel().resetAfterWrites();
      listener.tunnel().resetAfterWrites();
      script.expect("RST_STREAM 1 CANCEL");
      assertEquals(List.of("finished"), listener.events);
      assertTrue(script.connection.http2().streams().isEmpty());
    }
  }

  @Test
  void aPeerThatResetsATunnelBeforeItHasAllIsTold() {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener listener = script.open(1);
      listener.tunnel().write(Unpooled.wrappedBuffer(new byte[65_545]));
      listener.tunnel().resetAfterWrites();
      script.received();
      script.send(Frames.reset(1, 8));
      script.expect();
      assertEquals(1, listener.events.size(), listener.events.toString());
      assertTrue(script.connection.http2().streams().isEmpty());
    }
  }

  @Test
  void theListenerIsToldWhenThereIsRoomAgain() {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener listener = script.open(1);
      listener.tunnel().write(Unpooled.wrappedBuffer(new byte[65_535]));
      assertFalse(listener.tunnel().isWritable());
      script.send(Frames.windowUpdate(1, 1));
      assertEquals(List.of(), listener.events);
      script.send(Frames.windowUpdate(0, 1));
      assertEquals(List.of("writability"), listener.events);
      assertTrue(listener.tunnel().isWritable());
    }
  }

  @Test
  void idleTunnelsAreToldToo() {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener busy = script.open(1);
      RecordingListener idle = script.open(3);
      script.writable(false);
      assertFalse(busy.tunnel().isWritable());
      assertFalse(idle.tunnel().isWritable());
      script.writable(true);
      assertEquals(List.of("writability"), busy.events);
      assertEquals(List.of("writability"), idle.events);
    }
  }

  @Test
  void aSmallerInitialWindowMayMakeItNegative() {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener listener = script.open(1);
      listener.tunnel().write(Unpooled.wrappedBuffer(new byte[60_000]));
      script.received();
      script.send(Frames.settings(4, 10_000));
      script.expect("SETTINGS ACK");
      assertFalse(listener.tunnel().isWritable());
      listener.tunnel().write(Unpooled.wrappedBuffer(new byte[10]));
      script.send(Frames.windowUpdate(1, 50_000));
      script.expect();
      script.send(Frames.windowUpdate(1, 5));
      script.expect("DATA 1 5");
      script.send(Frames.settings(4, 65_535));
      script.expect("SETTINGS ACK", "DATA 1 5");
    }
  }

  @Test
  void streamsTakeTurnsWhenTheWindowOpens() {
    try (ServerScript script = ServerScript.started()) {
      script.send(Frames.settings(4, 10_000_000, 5, 1 << 20));
      List<RecordingListener> all = new ArrayList<>();
      for (int id = 1; id <= 5; id += 2) {
        all.add(script.open(id));
      }
      all.get(0).tunnel().write(Unpooled.wrappedBuffer(new byte[65_535]));
      script.received();
      for (RecordingListener listener : all) {
        listener.tunnel().write(Unpooled.wrappedBuffer(new byte[200_000]));
      }
      script.expect();
      script.send(Frames.windowUpdate(0, 6 * 65_536));
      script.expect(
          "DATA 1 65536",
          "DATA 3 65536",
          "DATA 5 65536",
          "DATA 1 65536",
          "DATA 3 65536",
          "DATA 5 65536");
    }
  }

  @Test
  void noOneOvertakesThoseThatWait() {
    try (ServerScript script = ServerScript.started()) {
      script.send(Frames.settings(4, 10_000_000));
      RecordingListener first = script.open(1);
      RecordingListener second = script.open(3);
      first.tunnel().write(Unpooled.wrappedBuffer(new byte[65_535 + 5]));
      script.received();
      script.writable(false);
      second.tunnel().write(Unpooled.wrappedBuffer(new byte[5]));
      script.send(Frames.windowUpdate(0, 100));
      script.expect();
      script.writable(true);
      script.expect("DATA 1 5", "DATA 3 5");
    }
  }

  @Test
  void payloadWithHeadRoomGoesOutInItsOwnBuffer() {
    try (ServerScript script = ServerScript.started()) {
      script.send(Frames.settings(5, 1 << 20));
      RecordingListener listener = script.open(1);
      // Unwrapped by leak detection, as production buffers are.
      ByteBuf payload = new UnpooledByteBufAllocator(true, true).directBuffer(30_009);
      payload.setIndex(9, 9).writeZero(30_000);
      listener.tunnel().write(payload);
      script.channel.runPendingTasks();
      ByteBuf sent = script.channel.readOutbound();
      assertEquals(payload.memoryAddress(), sent.memoryAddress(), "nothing was copied");
      assertEquals(List.of("DATA 1 30000"), script.peer.read(sent));
    }
  }

  @Test
  void payloadThatOthersHoldIsNotWrittenInto() {
    try (ServerScript script = ServerScript.started()) {
      script.send(Frames.settings(5, 1 << 20));
      RecordingListener listener = script.open(1);
      ByteBuf payload = new UnpooledByteBufAllocator(true, true).directBuffer(30_009);
      payload.writeZero(30_009).skipBytes(9);
      ByteBuf others = payload.retainedDuplicate();
      listener.tunnel().write(payload);
      script.expect("DATA 1 30000");
      assertEquals(0, others.getLong(0));
      others.release();
    }
  }

  /** The socket fails at the next flush, and its channel closes within it, as Netty's do. */
  private static void loseAtFlush(ServerScript script) {
    script.channel.config().setWriteBufferWaterMark(new WriteBufferWaterMark(1, 1024));
    script
        .channel
        .pipeline()
        .addFirst(
            new ChannelOutboundHandlerAdapter() {
              @Override
              public void flush(ChannelHandlerContext ctx) {
                ctx.close();
              }
            });
  }

  @Test
  void aPayloadInTheMiddleOfWhichTheConnectionIsLostIsReleased() {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener listener = script.open(1);
      loseAtFlush(script);
      ByteBuf payload = Unpooled.wrappedBuffer(new byte[60_000]);
      listener.tunnel().write(payload);
      assertFalse(script.channel.isOpen());
      assertTrue(listener.isOver());
      assertEquals(0, payload.refCnt());
    }
  }

  @Test
  void soIsOneThatHadWaitedForItsTurn() {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener listener = script.open(1);
      script.writable(false);
      ByteBuf payload = Unpooled.wrappedBuffer(new byte[60_000]);
      listener.tunnel().write(payload);
      loseAtFlush(script);
      script.writable(true);
      assertFalse(script.channel.isOpen());
      assertEquals(0, payload.refCnt());
    }
  }

  @Test
  void smallFramesOfOneTurnShareABuffer() {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener one = script.open(1);
      RecordingListener two = script.open(3);
      for (int i = 0; i < 3; i++) {
        one.tunnel().write(Unpooled.wrappedBuffer(new byte[100]));
        two.tunnel().write(Unpooled.wrappedBuffer(new byte[100]));
      }
      assertNull(script.channel.readOutbound(), "nothing before the end of the turn");
      script.channel.runPendingTasks();
      ByteBuf sent = script.channel.readOutbound();
      assertEquals(6 * 109, sent.readableBytes());
      sent.release();
    }
  }
}
