package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.socket.ChannelOutputShutdownEvent;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class ClientProtocolTest {
  @Test
  void prefaceSettingsAndFirstRequestGoOutTogether() {
    try (ClientScript script = new ClientScript()) {
      script.open();
      script.channel.runPendingTasks();
      ByteBuf first = script.channel.readOutbound();
      assertEquals('P', first.getByte(0));
      assertEquals(
          List.of(
              "SETTINGS 2=0 4=4194304 5=1048576 6=16384",
              "WINDOW_UPDATE 0 " + (16777216 - 65535),
              "HEADERS 1 :method=CONNECT :authority=10.0.0.1:80"),
          script.peer.read(first));
      script.send(Frames.settings());
      script.expect("SETTINGS ACK");
    }
  }

  @Test
  void anAnswerOpensTheTunnel() {
    try (ClientScript script = ClientScript.started()) {
      Opened opened = script.open();
      script.expect("HEADERS 1 :method=CONNECT :authority=10.0.0.1:80");
      script.send(
          script.peer.headers(
              1, new DefaultHttp2Headers(false).status("200").add("baggage", "a=b"), false),
          Frames.data(1, 5000, false));
      assertEquals("a=b", opened.baggage);
      script.channel.runPendingTasks();
      assertEquals(5000, opened.listener.received);
      script.open();
      script.expect("HEADERS 3 :method=CONNECT :authority=10.0.0.1:80");
    }
  }

  @Test
  void noTunnelJoinsThoseThatHaveUsedUpTheWindowOfTheirConnection() {
    try (ClientScript script = ClientScript.started()) {
      Opened opened = script.opened(1);
      opened.tunnel().write(Unpooled.wrappedBuffer(new byte[65_535]));
      assertTrue(script.connection.hasRoom(), "for a moment that is nothing special");
      script.after(Duration.ofMillis(999));
      assertTrue(script.connection.hasRoom());
      script.after(Duration.ofMillis(1));
      assertFalse(script.connection.hasRoom());
      script.send(Frames.windowUpdate(0, 1));
      assertTrue(script.connection.hasRoom());
    }
  }

  @Test
  void baggageOfAnAnswerMayBeInSeveralFields() {
    try (ClientScript script = ClientScript.started()) {
      Opened opened = script.open();
      script.send(
          script.peer.headers(
              1,
              new DefaultHttp2Headers(false)
                  .status("200")
                  .add("baggage", "a=1")
                  .add("baggage", "b=2"),
              false));
      assertEquals("a=1,b=2", opened.baggage);
    }
  }

  @Test
  void baggageOfAnAnswerThatIsTooLongCountsAsNotSaid() {
    try (ClientScript script = ClientScript.started()) {
      Opened opened = script.open();
      script.send(
          script.peer.headers(
              1,
              new DefaultHttp2Headers(false).status("200").add("baggage", "k=" + "v".repeat(8191)),
              false));
      assertTrue(opened.isDone());
      assertNull(opened.baggage);
    }
  }

  @Test
  void anAnswerMayEndThePeersHalfAtOnce() {
    try (ClientScript script = ClientScript.started()) {
      Opened opened = script.open();
      script.answer(1, 200, true);
      script.channel.runPendingTasks();
      assertEquals(List.of("end"), opened.listener.events);
      opened.tunnel().shutdownOutput();
      script.received();
      assertEquals(List.of("end", "finished"), opened.listener.events);
      assertEquals(0, script.connection.streams());
    }
  }

  @Test
  void aTunnelWhoseHalfHasEndedIsLeftAtOnce() {
    try (ClientScript script = ClientScript.started()) {
      Opened opened = script.opened(1);
      opened.tunnel().shutdownOutput();
      script.expect("DATA 1 0 END_STREAM");
      opened.tunnel().leave();
      opened.tunnel().leave();
      script.expect("RST_STREAM 1 CANCEL");
      assertEquals(List.of("finished"), opened.listener.events);
      assertEquals(0, script.connection.streams());
    }
  }

  /** As when the client has gone while its tunnel was opened. */
  @ParameterizedTest(name = "half ended before: {0}")
  @ValueSource(booleans = {false, true})
  void aTunnelMayBeResetWhileItIsGivenOut(boolean ended) {
    try (ClientScript script = ClientScript.started()) {
      Opened opened = new Opened();
      opened.onOpened =
          tunnel -> {
            if (ended) {
              tunnel.shutdownOutput();
            }
            tunnel.resetAfterWrites();
          };
      script.open(opened);
      script.received();
      script.answer(1, 200, false);
      List<String> frames = script.received();
      assertEquals("RST_STREAM 1 CANCEL", frames.getLast());
      assertEquals(List.of("finished"), opened.listener.events);
      assertEquals(0, script.connection.streams());
    }
  }

  @Test
  void aRevokedGatewayIsToldApartFromThePeerBehindIt() {
    try (ClientScript script = ClientScript.started()) {
      Opened opened = script.open();
      script
          .channel
          .pipeline()
          .fireExceptionCaught(
              new OuterTunnelEndedException(new TunnelTermination.PeerRevoked("serial 1")));
      HboneFailure.OuterFailed failure =
          assertInstanceOf(HboneFailure.OuterFailed.class, opened.failure());
      assertInstanceOf(HboneFailure.PeerRevoked.class, failure.cause());
    }
  }

  private static void failWrites(ClientScript script) {
    assertFalse(script.channel.config().isAutoClose(), "the channel closes by itself");
    script.channel.pipeline().fireUserEventTriggered(ChannelOutputShutdownEvent.INSTANCE);
  }

  @Test
  void whatAPeerSentBeforeItCouldNotBeWrittenToIsRead() {
    try (ClientScript script = ClientScript.started()) {
      Opened opened = script.opened(1);
      failWrites(script);
      failWrites(script);
      opened.tunnel().write(Unpooled.wrappedBuffer(new byte[9]));
      script.send(Frames.data(1, 7, true));
      script.expect();
      assertEquals(7, opened.listener.received);
      assertEquals(List.of("end"), opened.listener.events);
      script.channel.close();
      assertEquals(2, opened.listener.events.size(), opened.listener.events.toString());
      assertTrue(
          opened.listener.events.getLast().contains("connection closed by peer"),
          opened.listener.events.toString());
    }
  }

  @Test
  void aPeerThatCannotBeWrittenToGetsNoMoreTunnels() {
    try (ClientScript script = ClientScript.started()) {
      Opened opened = script.opened(1);
      failWrites(script);
      assertEquals(List.of("usable", "retired"), script.events);
      assertEquals(List.of(), opened.listener.events);
    }
  }

  @Test
  void theRestOfAPeerThatCannotBeWrittenToIsReadForALimitedTime() {
    try (ClientScript script = ClientScript.started()) {
      Opened opened = script.opened(1);
      failWrites(script);
      script.after(HboneSettings.defaults().pingTimeout());
      assertEquals(1, opened.listener.events.size(), opened.listener.events.toString());
      assertFalse(script.channel.isOpen());
    }
  }

  @Test
  void theOwnerMayWriteAndResetFromInsideOnOpened() {
    try (ClientScript script = ClientScript.started()) {
      Opened opened = new Opened();
      RecordingListener listener = new RecordingListener();
      TunnelOpening impatient =
          new TunnelOpening() {
            @Override
            public TunnelListener onOpened(Tunnel tunnel, TlsPeer peer, @Nullable String baggage) {
              tunnel.write(Unpooled.wrappedBuffer(new byte[5]));
              tunnel.reset(TunnelReset.CANCEL);
              return listener;
            }

            @Override
            public void onFailed(HboneFailure failure) {
              opened.onFailed(failure);
            }
          };
      script.open(impatient);
      script.received();
      script.send(
          script.peer.headers(1, new DefaultHttp2Headers(false).status("200"), true),
          Frames.data(1, 5, true));
      script.expect("DATA 1 5", "RST_STREAM 1 CANCEL");
      assertEquals(List.of(), listener.events);
      assertFalse(opened.isDone());
    }
  }

  @Test
  void interimAnswersAreSkipped() {
    try (ClientScript script = ClientScript.started()) {
      Opened opened = script.open();
      script.answer(1, 103, false);
      assertFalse(opened.isDone());
      script.answer(1, 200, false);
      assertTrue(opened.isDone());
    }
  }

  @Test
  void interimAnswersInMassesEndTheConnection() {
    try (ClientScript script = ClientScript.started()) {
      Opened opened = script.open();
      for (int i = 0; i < 100 && script.channel.isOpen(); i++) {
        script.answer(1, 100, false);
      }
      assertEquals("http2 error: ENHANCE_YOUR_CALM: too many: NOTICE", opened.failure().message());
    }
  }

  static Stream<Arguments> brokenAnswers() {
    Frames peer = new Frames();
    return Stream.of(
        Arguments.of("RST_STREAM 1 PROTOCOL_ERROR", Frames.data(1, 5, false)),
        Arguments.of(
            "RST_STREAM 1 PROTOCOL_ERROR",
            peer.headers(1, new DefaultHttp2Headers(false).add("x", "y"), false)),
        Arguments.of(
            "RST_STREAM 1 PROTOCOL_ERROR",
            peer.headers(1, new DefaultHttp2Headers(false).status("2x0"), false)),
        Arguments.of(
            "RST_STREAM 1 PROTOCOL_ERROR",
            new Frames().headers(1, new DefaultHttp2Headers(false).status("099"), false)));
  }

  @ParameterizedTest(name = "{0} {index}")
  @MethodSource("brokenAnswers")
  void brokenAnswersFailTheRequest(String sent, ByteBuf answer) {
    try (ClientScript script = ClientScript.started()) {
      Opened opened = script.open();
      script.received();
      // Encoded with a state of its own: only the first block of each is understood.
      script.send(answer);
      script.expect(sent);
      assertEquals(1, opened.calls);
      assertTrue(script.channel.isOpen());
      assertEquals(0, script.connection.streams());
    }
  }

  static Stream<Arguments> connectionErrors() {
    return Stream.of(
        Arguments.of("PROTOCOL_ERROR", new Frames().connect(2)),
        Arguments.of("PROTOCOL_ERROR", new Frames().connect(3)),
        Arguments.of("PROTOCOL_ERROR", Frames.data(3, 5, false)),
        Arguments.of("PROTOCOL_ERROR", Frames.reset(3, 8)),
        Arguments.of("PROTOCOL_ERROR", Frames.settings(2, 1)),
        Arguments.of("PROTOCOL_ERROR", Frames.frame(FrameType.PUSH_PROMISE, 4, 1, new int[8])));
  }

  @ParameterizedTest(name = "{0} {index}")
  @MethodSource("connectionErrors")
  void brokenRulesEndTheConnection(String code, ByteBuf frames) {
    try (ClientScript script = ClientScript.started()) {
      Opened opened = script.opened(1);
      script.send(frames);
      assertEquals(List.of("GOAWAY 0 " + code), script.received());
      assertFalse(script.channel.isOpen());
      assertTrue(opened.listener.events.getLast().startsWith("ConnectionLost[reason=http2 error"));
      assertEquals(List.of("usable", "retired", "over"), script.events);
    }
  }

  @Test
  void goAwayEndsWhatIsNotProcessedAndKeepsTheRest() {
    try (ClientScript script = ClientScript.started()) {
      Opened kept = script.opened(1);
      Opened cut = script.opened(3);
      script.send(Frames.goAway(1, 0, "bye"));
      assertEquals(List.of("GoAway[errorCode=0, debug=bye]"), cut.listener.events);
      assertEquals(List.of(), kept.listener.events);
      assertFalse(script.connection.hasRoom());
      script.send(Frames.data(1, 5, true));
      kept.tunnel().shutdownOutput();
      List<String> last = script.received();
      assertEquals(List.of("DATA 1 0 END_STREAM", "GOAWAY 0 NO_ERROR"), last.subList(0, 2));
      assertEquals(List.of("end", "finished"), kept.listener.events);
      assertEquals(List.of("usable", "retired"), script.events, "the peer may be reading");
      long sentLast = Long.parseLong(last.get(2).substring("PING ".length()));
      script.send(Frames.ping(sentLast, true));
      assertEquals(List.of("usable", "retired", "over"), script.events);
    }
  }

  @Test
  void aConnectionThatWasQuietIsAskedBeforeItIsTrusted() {
    try (ClientScript script = ClientScript.started()) {
      script.after(Duration.ofMillis(900));
      script.opened(1);
      script.after(Duration.ofMillis(1_100));
      Opened opened = script.open();
      script.expect("PING 1", "HEADERS 3 :method=CONNECT :authority=10.0.0.1:80");
      script.after(Duration.ofSeconds(20));
      assertEquals("keep-alive timed out: no PONG within 20000 ms", opened.failure().message());
      script.expect();
      assertFalse(script.channel.isOpen(), "dropped without a word");
      assertEquals(List.of("usable", "ping timed out", "retired", "over"), script.events);
    }
  }

  @Test
  void aBusyConnectionIsTrusted() {
    try (ClientScript script = ClientScript.started()) {
      script.opened(1);
      script.after(Duration.ofMillis(900));
      script.send(Frames.windowUpdate(0, 1));
      script.after(Duration.ofMillis(900));
      script.open();
      script.expect("HEADERS 3 :method=CONNECT :authority=10.0.0.1:80");
    }
  }

  @Test
  void theIdleClockStartsWithTheLastTunnelsEnd() {
    try (ClientScript script = ClientScript.started()) {
      Opened opened = script.opened(1);
      keepAlive(script, Duration.ofMinutes(6));
      assertEquals(List.of("usable"), script.events);
      opened.tunnel().reset(TunnelReset.CANCEL);
      keepAlive(script, Duration.ofSeconds(299));
      assertEquals(List.of("usable"), script.events);
      keepAlive(script, Duration.ofSeconds(1));
      assertEquals(List.of("usable", "idle"), script.events);
    }
  }

  @Test
  void signsOfLifeAreAskedForNoMoreOftenThanAPeerBears() {
    try (ClientScript script = ClientScript.started()) {
      int asked = 0;
      for (int millis = 0; millis < 60_000; millis += 10) {
        script.connection.probe(); // a hundred a second
        for (String frame : script.received()) {
          asked++;
          script.send(Frames.ping(Long.parseLong(frame.substring("PING ".length())), true));
        }
        script.after(Duration.ofMillis(10));
      }
      assertTrue(script.channel.isOpen(), script.events::toString);
      assertTrue(asked <= 20 * 60, "asked " + asked + " times"); // FloodGuard's rate
      assertTrue(asked > 10 * 60, "asked " + asked + " times");
    }
  }

  @Test
  void aSignOfLifeThatWasAskedForTooEarlyIsAskedForALittleLater() {
    try (ClientScript script = ClientScript.started()) {
      script.connection.probe();
      script.expect("PING 1");
      script.send(Frames.ping(1, true));
      script.connection.probe();
      script.expect();
      script.after(Duration.ofMillis(60));
      script.expect("PING 2");
      script.after(Duration.ofMillis(400));
      assertTrue(script.connection.isSilent());
    }
  }

  @Test
  void aConnectionThatNeverBeganIsNotOver() {
    try (ClientScript script = ClientScript.refused()) {
      script.channel.close();
      script.channel.runPendingTasks();
      assertEquals(List.of("refused"), script.events);
    }
  }

  /** Lets time go by, answering PINGs. */
  private static void keepAlive(ClientScript script, Duration time) {
    for (long left = time.toSeconds(); left > 0; left--) {
      script.after(Duration.ofSeconds(1));
      for (String frame : script.received()) {
        if (frame.startsWith("PING ")) {
          script.send(Frames.ping(Long.parseLong(frame.substring("PING ".length())), true));
        }
      }
    }
  }

  @Test
  void aServerWithoutSettingsIsGivenUp() {
    try (ClientScript script = new ClientScript()) {
      Opened opened = script.open();
      script.received();
      script.after(Duration.ofMillis(9_999));
      assertTrue(script.channel.isOpen());
      script.after(Duration.ofMillis(1));
      assertEquals("no SETTINGS within 10000 ms", opened.failure().message());
      assertFalse(script.channel.isOpen());
    }
  }
}
