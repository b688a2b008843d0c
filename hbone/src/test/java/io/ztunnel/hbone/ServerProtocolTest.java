package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.Http2Headers;
import io.netty.handler.ssl.SslCloseCompletionEvent;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ServerProtocolTest {
  @Test
  void settingsOnTheWireAreIstios() {
    try (ServerScript script = new ServerScript()) {
      script.expect(
          "SETTINGS 3=200 4=4194304 5=1048576 6=65536", "WINDOW_UPDATE 0 " + (16777216 - 65535));
      script.send(Unpooled.wrappedBuffer(Frames.PREFACE), Frames.settings());
      script.expect("SETTINGS ACK");
    }
  }

  @Test
  void aRequestIsAcceptedWithBaggage() {
    try (ServerScript script = ServerScript.started()) {
      script.send(script.peer.connect(1));
      assertEquals("10.0.0.1:80", script.connects.getFirst().request().authority());
      script.connects.getFirst().accept(new ConnectAnswer("a=b", null), new RecordingListener());
      script.expect("HEADERS 1 :status=200 baggage=a=b");
    }
  }

  @Test
  void aRequestIsAcceptedWithTheWorkloadThatItReached() {
    try (ServerScript script = ServerScript.started()) {
      script.send(script.peer.connect(1));
      script
          .connects
          .getFirst()
          .accept(new ConnectAnswer(null, "k//Pod/shop/echo-1"), new RecordingListener());
      script.expect("HEADERS 1 :status=200 x-ztunnel-workload-uid=k//Pod/shop/echo-1");
    }
  }

  @Test
  void aRequestIsRejectedAndItsBodyNotWantedAnyMore() {
    try (ServerScript script = ServerScript.started()) {
      script.send(script.peer.connect(1));
      script.connects.getFirst().reject(401);
      script.expect("HEADERS 1 :status=401 END_STREAM", "RST_STREAM 1 NO_ERROR");
      script.send(Frames.data(1, 10, true));
      script.expect();
      script.expectAlive();
    }
  }

  @Test
  void aRejectedRequestWithoutBodyNeedsNoReset() {
    try (ServerScript script = ServerScript.started()) {
      script.sendHeaders(1, Frames.connectHeaders(), true);
      script.connects.getFirst().reject(400);
      script.expect("HEADERS 1 :status=400 END_STREAM");
    }
  }

  /** It is kept as long as the tunnel, of which a peer may have thousands. */
  @Test
  void fieldsThatAreFarTooLongAreNotKept() {
    try (ServerScript script = ServerScript.started()) {
      String item = "a".repeat(1_000) + "=b,";
      script.sendHeaders(
          1,
          Frames.connectHeaders()
              .set("baggage", item.repeat(8))
              .set("forwarded", "f".repeat(1_024))
              .set("x-istio-source", "waypoint"),
          false);
      ConnectRequest large = script.connects.getLast().request();
      assertEquals(item.repeat(8), large.baggage());
      assertEquals("f".repeat(1_024), large.forwarded());
      script.sendHeaders(
          3,
          Frames.connectHeaders()
              .set("baggage", item.repeat(9))
              .set("forwarded", "f".repeat(1_025))
              .set("traceparent", "t".repeat(1_025))
              .set("x-forwarded-network", "n".repeat(1_025))
              .set("x-istio-source", "w".repeat(1_025)),
          false);
      assertEquals(
          new ConnectRequest("10.0.0.1:80", null, null, null, null),
          script.connects.getLast().request());
    }
  }

  @Test
  void everyBaggageLineCounts() {
    try (ServerScript script = ServerScript.started()) {
      script.sendHeaders(
          1, Frames.connectHeaders().add("baggage", "a=1").add("baggage", "b=2"), false);
      assertEquals("a=1,b=2", script.connects.getFirst().request().baggage());
    }
  }

  static Stream<Arguments> malformedRequests() {
    return Stream.of(
        Arguments.of("path", Frames.connectHeaders().path("/")),
        Arguments.of("scheme", Frames.connectHeaders().scheme("https")),
        Arguments.of("protocol", Frames.connectHeaders().add(":protocol", "websocket")),
        Arguments.of("status", new DefaultHttp2Headers(false).status("200")),
        Arguments.of("no method", new DefaultHttp2Headers(false).authority("a:1")),
        Arguments.of("upper case", Frames.connectHeaders().add("Upper", "x")),
        Arguments.of("connection", Frames.connectHeaders().add("connection", "close")),
        Arguments.of("te", Frames.connectHeaders().add("te", "gzip")),
        Arguments.of("control character", Frames.connectHeaders().add("x", "a\nb")),
        Arguments.of("too large", Frames.connectHeaders().add("x", "y".repeat(66_000))),
        Arguments.of("method without path", new DefaultHttp2Headers(false).method("GET")));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("malformedRequests")
  void malformedRequestsAreReset(String what, Http2Headers headers) {
    try (ServerScript script = ServerScript.started()) {
      script.sendHeaders(1, headers, false);
      script.expect("RST_STREAM 1 PROTOCOL_ERROR");
      assertEquals(List.of(), script.connects);
      // The header state survived: the next request is understood.
      script.send(script.peer.connect(3));
      assertEquals("10.0.0.1:80", script.connects.getFirst().request().authority());
    }
  }

  @Test
  void aRequestOfManyFragmentsIsPutTogether() {
    try (ServerScript script = ServerScript.started()) {
      ByteBuf block = script.peer.block(Frames.connectHeaders().add("baggage", "k".repeat(500)));
      script.send(
          Frames.frame(FrameType.HEADERS, 0, 1, block.readSlice(10)),
          Frames.frame(FrameType.CONTINUATION, 0, 1, block.readSlice(0)),
          Frames.frame(FrameType.CONTINUATION, 0, 1, block.readSlice(200)),
          Frames.frame(FrameType.CONTINUATION, FrameType.END_HEADERS, 1, block));
      assertEquals("k".repeat(500), script.connects.getFirst().request().baggage());
    }
  }

  @Test
  void everySplitOfTheBytesIsUnderstood() {
    for (int step = 1; step < 40; step++) {
      try (ServerScript script = new ServerScript()) {
        ByteBuf all =
            Unpooled.wrappedBuffer(
                Unpooled.wrappedBuffer(Frames.PREFACE),
                Frames.settings(4, 70_000),
                script.peer.connect(1),
                Frames.ping(7, false),
                Frames.frame(FrameType.DATA, FrameType.PADDED, 1, 2, 'h', 'i', 0, 0),
                Frames.data(1, 100, true));
        RecordingListener listener = new RecordingListener();
        while (all.isReadable()) {
          script.send(all.readBytes(Math.min(step, all.readableBytes())));
          if (script.last() != null && listener.tunnel == null) {
            listener.tunnel = script.connects.getFirst().accept(ConnectAnswer.PLAIN, listener);
          }
        }
        script.channel.runPendingTasks();
        assertEquals("hi" + "\0".repeat(100), listener.payload.toString(StandardCharsets.US_ASCII));
        assertEquals(List.of("end"), listener.events);
        assertTrue(script.received().contains("PING 7 ACK"));
        all.release();
      }
    }
  }

  @Test
  void bothHalvesEndInOrder() {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener listener = script.open(1);
      script.send(Frames.data(1, 5, true));
      assertEquals(List.of("end"), listener.events);
      listener.tunnel().write(Unpooled.wrappedBuffer(new byte[7]));
      listener.tunnel().shutdownOutput();
      script.expect("DATA 1 7", "DATA 1 0 END_STREAM");
      assertEquals(List.of("end", "finished"), listener.events);
      assertTrue(script.events.contains("tunnel closed"));
    }
  }

  @Test
  void ourHalfMayEndFirst() {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener listener = script.open(1);
      listener.tunnel().shutdownOutput();
      listener.tunnel().shutdownOutput();
      script.expect("DATA 1 0 END_STREAM");
      script.send(Frames.data(1, 5, false));
      script.send(Frames.data(1, 5, true));
      assertEquals(10, listener.received);
      assertEquals(List.of("end", "finished"), listener.events);
    }
  }

  @Test
  void aRequestMayEndItsHalfAtOnce() {
    try (ServerScript script = ServerScript.started()) {
      script.sendHeaders(1, Frames.connectHeaders(), true);
      RecordingListener listener = new RecordingListener();
      listener.tunnel = script.connects.getFirst().accept(ConnectAnswer.PLAIN, listener);
      assertEquals(List.of(), listener.events, "not from inside accept");
      script.channel.runPendingTasks();
      assertEquals(List.of("end"), listener.events);
    }
  }

  @Test
  void trailersEndTheHalf() {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener listener = script.open(1);
      script.sendHeaders(1, new DefaultHttp2Headers(false).add("x", "y"), true);
      assertEquals(List.of("end"), listener.events);
    }
  }

  @Test
  void fieldsInTheMiddleAreAnError() {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener listener = script.open(1);
      script.sendHeaders(1, new DefaultHttp2Headers(false).add("x", "y"), false);
      script.expect("RST_STREAM 1 PROTOCOL_ERROR");
      assertEquals(List.of("Reset[errorCode=1]"), listener.events);
    }
  }

  @Test
  void payloadBeforeTheAnswerIsKept() {
    try (ServerScript script = ServerScript.started()) {
      script.send(script.peer.connect(1), Frames.data(1, 3000, false), Frames.data(1, 10, true));
      RecordingListener listener = new RecordingListener();
      listener.tunnel = script.connects.getFirst().accept(ConnectAnswer.PLAIN, listener);
      assertEquals(0, listener.received, "not from inside accept");
      script.channel.runPendingTasks();
      assertEquals(3010, listener.received);
      assertEquals(List.of("end"), listener.events);
    }
  }

  @Test
  void payloadBeforeAResetIsGivenOutFirst() {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener listener = script.open(1);
      script.send(Frames.data(1, 3000, false), Frames.reset(1, 8));
      assertEquals(3000, listener.received);
      assertEquals(List.of("Reset[errorCode=8]"), listener.events);
      script.expect();
    }
  }

  @Test
  void aConnectionThatIsLostTellsItsTunnelsAfterTheirPayload() {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener listener = script.open(1);
      script.send(Frames.data(1, 3000, false));
      script.channel.close();
      script.channel.runPendingTasks();
      assertEquals(3000, listener.received);
      assertEquals(List.of("ConnectionLost[reason=connection closed by peer]"), listener.events);
      assertEquals("gone", script.events.getLast());
    }
  }

  @Test
  void aPeerThatClosesItsConnectionInOrderIsToldFromOneThatIsLost() {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener listener = script.open(1);
      script.send(Frames.data(1, 3000, false));
      script.channel.pipeline().fireUserEventTriggered(SslCloseCompletionEvent.SUCCESS);
      assertEquals(3000, listener.received);
      assertEquals(List.of("PeerClosed[]"), listener.events);
      assertEquals("gone", script.events.getLast());
    }
  }

  @Test
  void anAbandonedRequestIsToldAndItsAnswerDoesNothing() {
    try (ServerScript script = ServerScript.started()) {
      script.send(script.peer.connect(1));
      InboundConnect connect = script.connects.getFirst();
      connect.onAbandoned(_ -> script.events.add("abandoned"));
      script.send(Frames.reset(1, 8));
      assertEquals("abandoned", script.events.getLast());
      RecordingListener listener = new RecordingListener();
      Tunnel tunnel = connect.accept(ConnectAnswer.PLAIN, listener);
      tunnel.write(Unpooled.wrappedBuffer(new byte[5]));
      assertFalse(tunnel.isWritable());
      script.channel.runPendingTasks();
      assertEquals(List.of("Reset[errorCode=8]"), listener.events);
      script.expect();
    }
  }

  @Test
  void anAbandonedRequestIsToldEvenIfItIsAskedLate() {
    try (ServerScript script = ServerScript.started()) {
      script.send(script.peer.connect(1), Frames.reset(1, 8));
      script.connects.getFirst().onAbandoned(_ -> script.events.add("abandoned"));
      assertEquals("abandoned", script.events.getLast());
      script.connects.getFirst().reject(503);
      script.expect();
    }
  }

  @Test
  void anAbortedRequestIsReset() {
    try (ServerScript script = ServerScript.started()) {
      script.send(script.peer.connect(1));
      script.connects.getFirst().abort(TunnelReset.CANCEL);
      script.expect("RST_STREAM 1 CANCEL");
    }
  }

  @Test
  void aResetByTheOwnerIsSilent() {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener listener = script.open(1);
      listener.tunnel().reset(TunnelReset.CONNECT_ERROR);
      listener.tunnel().reset(TunnelReset.CANCEL);
      script.expect("RST_STREAM 1 CONNECT_ERROR");
      script.send(Frames.data(1, 3000, false), Frames.windowUpdate(1, 5), Frames.reset(1, 0));
      script.expect();
      script.expectAlive();
      assertEquals(List.of(), listener.events);
      assertEquals(0, listener.received);
    }
  }

  @Test
  void theOwnerMayResetWhileItIsGivenPayload() {
    try (ServerScript script = ServerScript.started()) {
      script.send(script.peer.connect(1));
      RecordingListener listener =
          new RecordingListener() {
            @Override
            public void onData(ByteBuf data) {
              super.onData(data);
              tunnel().reset(TunnelReset.CANCEL);
            }
          };
      listener.tunnel = script.connects.getFirst().accept(ConnectAnswer.PLAIN, listener);
      script.received();
      script.send(Frames.data(1, 20_000, false), Frames.data(1, 20_000, true));
      script.expect("RST_STREAM 1 CANCEL");
      assertEquals(20_000, listener.received);
      assertEquals(List.of(), listener.events);
    }
  }

  @Test
  void theStreamLimitIsEnforced() {
    try (ServerScript script = ServerScript.started()) {
      for (int i = 0; i < 200; i++) {
        script.send(script.peer.connect(2 * i + 1));
      }
      script.expect();
      script.send(script.peer.connect(401));
      script.expect("RST_STREAM 401 REFUSED_STREAM");
      script.send(Frames.reset(1, 8), script.peer.connect(403));
      script.expect();
      assertEquals(201, script.connects.size());
    }
  }

  @Test
  void tunnelsThatEndInOrderMakeRoomForOthers() {
    try (ServerScript script = ServerScript.started()) {
      for (int id = 1; id < 1_000; id += 4) {
        RecordingListener weFirst = script.open(id);
        weFirst.tunnel().shutdownOutput();
        script.received();
        script.send(Frames.data(id, 0, true));
        RecordingListener peerFirst = script.open(id + 2);
        script.send(Frames.data(id + 2, 0, true));
        peerFirst.tunnel().shutdownOutput();
        script.received();
        assertEquals("finished", weFirst.events.getLast());
        assertEquals("finished", peerFirst.events.getLast());
        assertTrue(script.connection.http2().streams().isEmpty());
      }
    }
  }

  @Test
  void drainingGoesInTwoSteps() {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener listener = script.open(1);
      script.connection.drain();
      script.connection.drain();
      List<String> first = script.received();
      assertEquals("GOAWAY 2147483647 NO_ERROR", first.getFirst());
      assertEquals(2, first.size(), first::toString);
      RecordingListener late = script.open(3); // it was on its way
      long payload = Long.parseLong(first.getLast().substring("PING ".length()));
      script.send(Frames.ping(payload, true));
      script.expect("GOAWAY 3 NO_ERROR");
      script.send(script.peer.connect(5));
      script.expect("RST_STREAM 5 REFUSED_STREAM");
      script.expectAlive();
      late.tunnel().reset(TunnelReset.CANCEL);
      script.expect("RST_STREAM 3 CANCEL");
      listener.tunnel().write(Unpooled.wrappedBuffer(new byte[5]));
      listener.tunnel().shutdownOutput();
      script.send(Frames.data(1, 0, true));
      List<String> last = script.received();
      assertEquals(List.of("DATA 1 5", "DATA 1 0 END_STREAM"), last.subList(0, 2));
      script.expectAlive(); // what the peer sends while it reads must not meet a closed socket
      script.send(Frames.windowUpdate(0, 1_000));
      script.expectAlive();
      long sentLast = Long.parseLong(last.get(2).substring("PING ".length()));
      script.send(Frames.ping(sentLast, true));
      assertFalse(script.channel.isOpen());
      assertEquals("gone", script.events.getLast());
    }
  }

  @Test
  void aPeerThatDoesNotSayThatItHasReadAllKeepsNoConnection() {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener listener = script.open(1);
      script.connection.drain();
      String ping = script.received().getLast();
      script.send(Frames.ping(Long.parseLong(ping.substring("PING ".length())), true));
      listener.tunnel().shutdownOutput();
      script.send(Frames.data(1, 0, true));
      script.after(Duration.ofSeconds(10));
      script.send(Frames.ping(1, true)); // it lives
      script.after(Duration.ofSeconds(9));
      script.expectAlive();
      script.after(Duration.ofSeconds(1));
      assertFalse(script.channel.isOpen());
      assertEquals("gone", script.events.getLast());
    }
  }

  @Test
  void aPeerThatLeavesTheDrainsPingUnansweredKeepsNoConnection() {
    try (ServerScript script = ServerScript.started()) {
      script.connection.drain();
      assertEquals(2, script.received().size());
      script.after(Duration.ofSeconds(10));
      script.expect("PING 1");
      script.send(Frames.ping(1, true)); // it lives
      script.after(Duration.ofSeconds(9));
      script.expectAlive();
      script.after(Duration.ofSeconds(1));
      script.expect("GOAWAY 0 NO_ERROR");
      assertFalse(script.channel.isOpen());
      assertEquals("gone", script.events.getLast());
    }
  }

  @Test
  void closingNowTellsEveryone() {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener listener = script.open(1);
      script.send(script.peer.connect(3));
      script.connects.getLast().onAbandoned(_ -> script.events.add("abandoned"));
      script.connection.close("revoked");
      script.connection.close("again");
      script.expect("GOAWAY 3 NO_ERROR");
      assertEquals(List.of("ConnectionLost[reason=revoked]"), listener.events);
      assertTrue(script.events.contains("abandoned"));
      assertTrue(script.events.contains("closed: revoked"));
      assertEquals("gone", script.events.getLast());
    }
  }

  @Test
  void callbacksMayCloseTheConnection() {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener other = script.open(1);
      script.send(script.peer.connect(3));
      RecordingListener listener =
          new RecordingListener() {
            @Override
            public void onData(ByteBuf data) {
              super.onData(data);
              script.connection.close("by a callback");
            }
          };
      listener.tunnel = script.connects.getLast().accept(ConnectAnswer.PLAIN, listener);
      script.send(Frames.data(3, 5000, true), Frames.data(1, 5, true));
      assertEquals(List.of("ConnectionLost[reason=by a callback]"), listener.events);
      assertEquals(listener.events, other.events);
      assertEquals(0, other.received);
    }
  }

  @Test
  void keepAliveAsksAndGivesUp() {
    try (ServerScript script = ServerScript.started()) {
      script.after(Duration.ofMillis(9_999));
      script.expect();
      script.after(Duration.ofMillis(1));
      script.expect("PING 1");
      script.after(Duration.ofSeconds(19));
      script.send(Frames.ping(1, true));
      script.after(Duration.ofMillis(9_999));
      script.expect();
      script.after(Duration.ofMillis(1));
      script.expect("PING 2");
      RecordingListener listener = script.open(1);
      script.after(Duration.ofSeconds(20));
      script.expect("GOAWAY 1 NO_ERROR");
      assertEquals(
          List.of("ConnectionLost[reason=keep-alive timed out: no PONG within 20000 ms]"),
          listener.events);
      assertEquals(
          List.of("established", "tunnel opened", "ping timed out"), script.events.subList(0, 3));
      assertFalse(script.channel.isOpen());
    }
  }

  @Test
  void aPeerWithoutSettingsIsGivenUp() {
    try (ServerScript script = new ServerScript()) {
      script.received();
      script.send(Unpooled.wrappedBuffer(Frames.PREFACE));
      script.after(Duration.ofSeconds(10));
      script.expect("GOAWAY 0 NO_ERROR");
      assertFalse(script.channel.isOpen());
      assertTrue(script.events.contains("closed: no SETTINGS within 10000 ms"));
    }
  }

  static Stream<Arguments> connectionErrors() {
    Frames peer = new Frames();
    return Stream.of(
        Arguments.of("PROTOCOL_ERROR", Frames.data(0, 1, false)),
        Arguments.of("PROTOCOL_ERROR", Frames.data(1, 1, false)),
        Arguments.of("PROTOCOL_ERROR", Frames.frame(FrameType.DATA, FrameType.PADDED, 1, 9, 1)),
        Arguments.of("PROTOCOL_ERROR", peer.connect(2)),
        Arguments.of("PROTOCOL_ERROR", Frames.reset(1, 8)),
        Arguments.of("PROTOCOL_ERROR", Frames.windowUpdate(1, 8)),
        Arguments.of("PROTOCOL_ERROR", Frames.windowUpdate(0, 0)),
        Arguments.of("FLOW_CONTROL_ERROR", Frames.windowUpdate(0, 0x7fffffff)),
        Arguments.of("FLOW_CONTROL_ERROR", Frames.settings(4, -1)),
        Arguments.of("PROTOCOL_ERROR", Frames.settings(5, 16_383)),
        Arguments.of("PROTOCOL_ERROR", Frames.settings(2, 2)),
        Arguments.of("FRAME_SIZE_ERROR", Frames.frame(FrameType.SETTINGS, 0, 0, 1, 2, 3)),
        Arguments.of("FRAME_SIZE_ERROR", Frames.frame(FrameType.PING, 0, 0, 1)),
        Arguments.of("FRAME_SIZE_ERROR", Frames.frame(FrameType.GOAWAY, 0, 0, 1)),
        Arguments.of("PROTOCOL_ERROR", Frames.frame(FrameType.PING, 0, 1, new int[8])),
        Arguments.of("PROTOCOL_ERROR", Frames.frame(FrameType.PUSH_PROMISE, 4, 1, new int[8])),
        Arguments.of("PROTOCOL_ERROR", Frames.frame(FrameType.CONTINUATION, 4, 1)),
        Arguments.of("COMPRESSION_ERROR", Frames.frame(FrameType.HEADERS, 4, 1, 0x80)),
        Arguments.of(
            "PROTOCOL_ERROR",
            Unpooled.wrappedBuffer(
                Frames.frame(FrameType.HEADERS, 0, 1, 0x82), Frames.ping(1, false))),
        Arguments.of("FRAME_SIZE_ERROR", Unpooled.buffer().writeMedium(1_048_577).writeZero(6)));
  }

  @ParameterizedTest(name = "{0} {index}")
  @MethodSource("connectionErrors")
  void brokenRulesEndTheConnection(String code, ByteBuf frames) {
    try (ServerScript script = ServerScript.started()) {
      script.send(frames);
      script.expectConnectionError(code);
    }
  }

  @Test
  void anythingButThePrefaceIsRefused() {
    try (ServerScript script = new ServerScript()) {
      script.received();
      script.send(Unpooled.copiedBuffer("GET / HTTP/1.1\r\n\r\n", StandardCharsets.US_ASCII));
      script.expectConnectionError("PROTOCOL_ERROR");
    }
  }

  @Test
  void settingsMustComeFirst() {
    try (ServerScript script = new ServerScript()) {
      script.received();
      script.send(Unpooled.wrappedBuffer(Frames.PREFACE), Frames.ping(1, false));
      script.expectConnectionError("PROTOCOL_ERROR");
    }
  }

  @Test
  void payloadOnAStreamThatThePeerHasResetIsAnErrorSaidOnce() {
    try (ServerScript script = ServerScript.started()) {
      script.open(1);
      script.send(Frames.reset(1, 8), Frames.data(1, 5, false), Frames.data(1, 5, false));
      script.expect("RST_STREAM 1 STREAM_CLOSED");
      script.expectAlive();
    }
  }

  @Test
  void aCallbackThatThrowsClosesTheConnectionAllTheSame() {
    try (ServerScript script = ServerScript.started()) {
      script.send(script.peer.connect(1));
      RecordingListener listener =
          new RecordingListener() {
            @Override
            public void onTerminated(TunnelTermination cause) {
              throw new IllegalStateException("deliberate");
            }
          };
      script.connects.getFirst().accept(ConnectAnswer.PLAIN, listener);
      RecordingListener other = script.open(3);
      assertThrows(IllegalStateException.class, () -> script.connection.close("now"));
      assertFalse(script.channel.isOpen());
      assertTrue(other.isOver(), "the other owner is told");
      assertTrue(script.events.contains("closed: now"), () -> "told: " + script.events);
    }
  }

  @Test
  void aStreamWhoseEndIsFlushedByItsOwnWriteIsGone() {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener listener = script.open(1);
      script.send(Frames.data(1, 0, true));
      listener.tunnel().write(Unpooled.wrappedBuffer(new byte[70_000]));
      listener.tunnel().shutdownOutput();
      script.channel.config().setWriteBufferWaterMark(new WriteBufferWaterMark(1, 2));
      script.send(Frames.windowUpdate(0, 10_000), Frames.windowUpdate(1, 10_000));
      script.received();
      assertEquals("finished", listener.events.getLast());
      assertEquals(0, script.connection.http2().streams().count());
    }
  }

  @Test
  void aStreamMayNotComeToLifeAgain() {
    try (ServerScript script = ServerScript.started()) {
      RecordingListener listener = script.open(1);
      listener.tunnel().shutdownOutput();
      script.send(Frames.data(1, 0, true));
      script.received();
      script.send(script.peer.connect(1));
      script.expectConnectionError("STREAM_CLOSED");
    }
  }

  @Test
  void unknownFramesAndSettingsAreIgnored() {
    try (ServerScript script = ServerScript.started()) {
      script.send(
          Frames.frame(0xbe, 0xff, 7, new int[300]),
          Frames.settings(0xabcd, 1),
          script.peer.connect(1));
      script.expect("SETTINGS ACK");
      assertEquals(1, script.connects.size());
    }
  }
}
