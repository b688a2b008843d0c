package io.ztunnel.hbone;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.Http2Headers;
import java.time.Duration;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A server with a valid certificate that means harm, or is broken: what it may cost us is bounded,
 * whoever waits for it is told, and the connection ends with the code that RFC 9113 has for it.
 */
class HostileServerTest {
  private static final int MAX_WINDOW = Integer.MAX_VALUE;

  /** The n-th frame of a flood, with a tunnel open as stream 1; we have reset stream 3. */
  static Stream<Arguments> floods() {
    return Stream.of(
        flood("PING", 300, _ -> Frames.ping(1, false)),
        flood("PING", 300, n -> Frames.ping(n, true)),
        flood("SETTINGS", 100, _ -> Frames.settings()),
        flood("SETTINGS", 100, n -> Frames.settings(SettingIds.INITIAL_WINDOW_SIZE, n)),
        flood("SETTINGS", 100, _ -> Frames.settingsAck()),
        flood("NOTICE", 100, _ -> Frames.goAway(1, 0, "")),
        flood("PRIORITY", 2_000, _ -> Frames.frame(FrameType.PRIORITY, 0, 1, 0, 0, 0, 3, 1)),
        flood("UNKNOWN", 2_000, _ -> Frames.frame(0x55, 0, 1)),
        flood("EMPTY_DATA", 300, _ -> Frames.data(1, 0, false)),
        flood("EMPTY_DATA", 300, _ -> Frames.data(3, 0, false)),
        flood("EMPTY_DATA", 300, _ -> Frames.frame(FrameType.DATA, FrameType.PADDED, 1, 1, 0)),
        flood("WINDOW_UPDATE", 300, _ -> many(100, Frames.windowUpdate(1, 1))),
        flood("WINDOW_UPDATE", 300, _ -> many(100, Frames.windowUpdate(3, 1))),
        flood("WINDOW_UPDATE", 300, _ -> many(100, Frames.windowUpdate(0, 1))),
        flood("RESET", 300, _ -> many(100, Frames.reset(3, 8))),
        flood("LATE_HEADERS", 100, _ -> many(100, answer(3))),
        flood("LATE_HEADERS", 100, _ -> many(100, bomb(3))));
  }

  private static Arguments flood(String kind, int count, IntFunction<ByteBuf> frame) {
    return Arguments.of(kind, count, frame);
  }

  private static ByteBuf many(int count, ByteBuf frame) {
    ByteBuf all = Unpooled.buffer(count * frame.readableBytes());
    for (int i = 0; i < count; i++) {
      all.writeBytes(frame, 0, frame.readableBytes());
    }
    frame.release();
    return all;
  }

  /** 200 by the static table of HPACK alone. */
  private static ByteBuf answer(int streamId) {
    return Frames.frame(FrameType.HEADERS, FrameType.END_HEADERS, streamId, 0x88);
  }

  /**
   * A header block that puts a field of 4,000 bytes into the table and then names it by one byte
   * after the other.
   */
  private static ByteBuf bomb(int streamId) {
    int references = 1_000;
    int valueBytes = 3_900;
    ByteBuf block = Unpooled.buffer();
    block.writeByte(0x88);
    block.writeByte(0x40).writeByte(1).writeByte('x');
    block.writeByte(0x7f).writeByte(((valueBytes - 127) & 0x7f) | 0x80);
    block.writeByte((valueBytes - 127) >>> 7);
    block.writeBytes("v".repeat(valueBytes).getBytes(US_ASCII));
    for (int i = 0; i < references; i++) {
      block.writeByte(0x80 | 62); // the newest entry of the table
    }
    return Frames.frame(FrameType.HEADERS, FrameType.END_HEADERS, streamId, block);
  }

  @ParameterizedTest(name = "{0} {index}")
  @MethodSource("floods")
  void floodsEndTheConnection(String kind, int count, IntFunction<ByteBuf> frame) {
    try (ClientScript script = ClientScript.started()) {
      Opened opened = script.opened(1);
      script.opened(3).tunnel().reset(TunnelReset.CANCEL);
      for (int i = 0; i < count && script.channel.isOpen(); i++) {
        script.send(frame.apply(i));
      }
      assertEquals("GOAWAY 0 ENHANCE_YOUR_CALM", script.received().getLast());
      assertFalse(script.channel.isOpen());
      assertEquals(
          "ConnectionLost[reason=http2 error: ENHANCE_YOUR_CALM: too many: " + kind + "]",
          opened.listener.events.getLast());
      assertEquals("over", script.events.getLast());
    }
  }

  @Test
  void continuationsWithoutEndEndTheConnection() {
    expectFloodOfHeaders(Unpooled.EMPTY_BUFFER, 100, "CONTINUATION");
  }

  @Test
  void aHeaderBlockThatGrowsEndsTheConnection() {
    expectFloodOfHeaders(Unpooled.buffer().writeZero(16_384), 20, "bytes in a header block");
  }

  private static void expectFloodOfHeaders(ByteBuf fragment, int count, String limit) {
    try (ClientScript script = ClientScript.started()) {
      Opened waiting = script.open();
      script.send(Frames.frame(FrameType.HEADERS, 0, 1, fragment.duplicate()));
      for (int i = 0; i < count && script.channel.isOpen(); i++) {
        script.send(Frames.frame(FrameType.CONTINUATION, 0, 1, fragment.duplicate()));
      }
      assertEquals("GOAWAY 0 ENHANCE_YOUR_CALM", script.received().getLast());
      assertEquals(
          "http2 error: ENHANCE_YOUR_CALM: too many: " + limit, waiting.failure().message());
    }
  }

  @Test
  void aHeaderBlockThatNeverEndsTimesOut() {
    try (ClientScript script = ClientScript.started()) {
      Opened waiting = script.open();
      script.send(Frames.frame(FrameType.HEADERS, 0, 1, 0x88));
      script.after(Duration.ofSeconds(10));
      assertEquals("GOAWAY 0 ENHANCE_YOUR_CALM", script.received().getLast());
      assertTrue(waiting.failure().message().endsWith("seconds for a header block"));
    }
  }

  @Test
  void aFrameThatNeverEndsTimesOut() {
    try (ClientScript script = ClientScript.started()) {
      Opened opened = script.opened(1);
      script.send(Unpooled.buffer().writeMedium(1 << 20).writeZero(5).writeByte(1));
      for (int seconds = 0; seconds < 60 && script.channel.isOpen(); seconds++) {
        script.send(Unpooled.buffer().writeZero(1)); // a byte of DATA, and no PONG can come
        script.after(Duration.ofSeconds(1));
      }
      assertTrue(opened.listener.events.getLast().contains("no PONG within"));
    }
  }

  static Stream<Arguments> connectionErrors() {
    Frames peer = new Frames();
    return Stream.of(
        error("PROTOCOL_ERROR", Frames.settings(SettingIds.MAX_FRAME_SIZE, 16_383)),
        error("PROTOCOL_ERROR", Frames.settings(SettingIds.MAX_FRAME_SIZE, 16_777_216)),
        error("PROTOCOL_ERROR", Frames.settings(SettingIds.ENABLE_PUSH, 1)),
        error("FLOW_CONTROL_ERROR", Frames.settings(SettingIds.INITIAL_WINDOW_SIZE, -1)),
        error(
            "FLOW_CONTROL_ERROR",
            Frames.windowUpdate(1, MAX_WINDOW - 65_535),
            Frames.settings(SettingIds.INITIAL_WINDOW_SIZE, 65_536)),
        error("FRAME_SIZE_ERROR", Frames.frame(FrameType.SETTINGS, 0, 0, new int[5])),
        error("FRAME_SIZE_ERROR", Frames.frame(FrameType.SETTINGS, FrameType.ACK, 0, new int[6])),
        error("PROTOCOL_ERROR", Frames.frame(FrameType.SETTINGS, 0, 1)),
        error("ENHANCE_YOUR_CALM", Frames.frame(FrameType.SETTINGS, 0, 0, new int[6 * 257])),
        error("FRAME_SIZE_ERROR", Frames.frame(FrameType.PING, 0, 0, new int[7])),
        error("PROTOCOL_ERROR", Frames.frame(FrameType.PING, 0, 1, new int[8])),
        error("PROTOCOL_ERROR", Frames.windowUpdate(0, 0)),
        error("FLOW_CONTROL_ERROR", Frames.windowUpdate(0, MAX_WINDOW)),
        error("PROTOCOL_ERROR", Frames.windowUpdate(5, 1)),
        error("FRAME_SIZE_ERROR", Frames.frame(FrameType.WINDOW_UPDATE, 0, 1, new int[3])),
        error("FRAME_SIZE_ERROR", Frames.frame(FrameType.RST_STREAM, 0, 1, new int[5])),
        error("PROTOCOL_ERROR", Frames.reset(0, 8)),
        error("PROTOCOL_ERROR", Frames.reset(2, 8)),
        error("PROTOCOL_ERROR", Frames.reset(99, 8)),
        error("FRAME_SIZE_ERROR", Frames.frame(FrameType.GOAWAY, 0, 0, new int[7])),
        error("PROTOCOL_ERROR", Frames.frame(FrameType.GOAWAY, 0, 1, new int[8])),
        error("PROTOCOL_ERROR", Frames.goAway(1, 0, ""), Frames.goAway(3, 0, "")),
        error("PROTOCOL_ERROR", Frames.frame(FrameType.PUSH_PROMISE, 4, 1, new int[8])),
        error("PROTOCOL_ERROR", answer(2)),
        error("PROTOCOL_ERROR", answer(99)),
        error("PROTOCOL_ERROR", answer(0)),
        error("PROTOCOL_ERROR", Frames.frame(FrameType.CONTINUATION, 0, 1)),
        error("PROTOCOL_ERROR", Frames.frame(FrameType.HEADERS, 0, 1, 0x88), Frames.ping(1, false)),
        error(
            "PROTOCOL_ERROR",
            Frames.frame(FrameType.HEADERS, 0, 1, 0x88),
            Frames.frame(FrameType.CONTINUATION, FrameType.END_HEADERS, 3)),
        error("PROTOCOL_ERROR", Frames.data(0, 5, false)),
        error("PROTOCOL_ERROR", Frames.data(99, 5, false)),
        error("FRAME_SIZE_ERROR", Unpooled.buffer().writeMedium((1 << 20) + 1).writeZero(6)),
        error("STREAM_CLOSED", Frames.reset(1, 8), peer.headers(1, trailers(), true)),
        // A table larger than the one we have; an entry that is in neither; a block cut short.
        error("COMPRESSION_ERROR", block(0x3f, 0xe2, 0x1f, 0x88)),
        error("COMPRESSION_ERROR", block(0x3f, 0xff, 0xff, 0xff, 0xff, 0x0f)),
        error("COMPRESSION_ERROR", block(0x80 | 70)),
        error("COMPRESSION_ERROR", block(0x40, 5, 'x')));
  }

  private static Arguments error(String code, ByteBuf... frames) {
    return Arguments.of(code, Unpooled.wrappedBuffer(frames));
  }

  private static ByteBuf block(int... bytes) {
    return Frames.frame(FrameType.HEADERS, FrameType.END_HEADERS, 1, bytes);
  }

  private static Http2Headers trailers() {
    return new DefaultHttp2Headers(false).add("grpc-status", "0");
  }

  @ParameterizedTest(name = "{0} {index}")
  @MethodSource("connectionErrors")
  void brokenRulesEndTheConnection(String code, ByteBuf frames) {
    try (ClientScript script = ClientScript.started()) {
      Opened open = script.opened(1);
      Opened waiting = script.open();
      script.received();
      script.send(frames);
      assertEquals("GOAWAY 0 " + code, script.received().getLast());
      assertFalse(script.channel.isOpen());
      assertTrue(open.listener.isOver());
      assertEquals(1, waiting.calls);
      assertEquals("over", script.events.getLast());
    }
  }

  static Stream<Arguments> streamErrors() {
    Frames peer = new Frames();
    return Stream.of(
        error("PROTOCOL_ERROR", Frames.windowUpdate(1, 0)),
        error("FLOW_CONTROL_ERROR", Frames.windowUpdate(1, MAX_WINDOW)),
        error("FLOW_CONTROL_ERROR", many(5, Frames.data(1, 1 << 20, false))),
        error("PROTOCOL_ERROR", answer(1)),
        error("PROTOCOL_ERROR", peer.headers(1, trailers(), false)),
        error("PROTOCOL_ERROR", bomb(1)),
        error("STREAM_CLOSED", Frames.data(1, 5, true), Frames.data(1, 5, true)));
  }

  @ParameterizedTest(name = "{0} {index}")
  @MethodSource("streamErrors")
  void brokenRulesOfOneTunnelEndOnlyThatOne(String code, ByteBuf frames) {
    try (ClientScript script = ClientScript.started()) {
      Frames ignored = new Frames();
      Opened broken = script.openedBy(ignored, 1);
      broken.listener.consumes = false;
      Opened other = script.openedBy(ignored, 3);
      script.send(frames);
      assertTrue(script.received().contains("RST_STREAM 1 " + code));
      assertTrue(broken.listener.isOver());
      assertEquals(List.of(), other.listener.events);
      script.send(Frames.data(3, 5, false));
      assertEquals(5, other.listener.received);
      assertEquals(1, script.connection.streams());
    }
  }

  static Stream<ByteBuf> brokenAnswers() {
    return Stream.of(
        new Frames().headers(1, new DefaultHttp2Headers(false).status("101"), false),
        new Frames().headers(1, new DefaultHttp2Headers(false).status("103"), true),
        new Frames()
            .headers(
                1,
                new DefaultHttp2Headers(false).status("200").add("x", "y".repeat(20_000)),
                false),
        new Frames()
            .headers(1, new DefaultHttp2Headers(false).status("200").method("CONNECT"), false),
        bomb(1),
        Frames.windowUpdate(1, MAX_WINDOW),
        Frames.data(1, 0, true));
  }

  @ParameterizedTest(name = "{index}")
  @MethodSource("brokenAnswers")
  void brokenAnswersFailTheRequestAtOnce(ByteBuf answer) {
    try (ClientScript script = ClientScript.started()) {
      Opened opened = script.open();
      script.send(answer);
      assertTrue(script.received().getLast().startsWith("RST_STREAM 1 "));
      assertNull(opened.tunnel);
      assertEquals(1, opened.calls);
      assertTrue(script.channel.isOpen());
      assertEquals(0, script.connection.streams());
    }
  }

  /**
   * A gateway answers so for each CONNECT that it cannot pass on; it throws none of its work away.
   */
  @Test
  void requestsThatThePeerResetsAreNoFlood() {
    try (ClientScript script = ClientScript.started()) {
      Opened other = script.opened(1);
      for (int id = 3; id < 2 * 2_500; id += 2) {
        Opened opened = script.open();
        script.send(Frames.reset(id, 2));
        assertEquals(new HboneFailure.StreamReset(2), opened.failure());
        script.received();
      }
      assertTrue(script.channel.isOpen());
      assertEquals(List.of(), other.listener.events);
    }
  }

  /** Each answer was on its way when we gave up. */
  @Test
  void answersToRequestsThatWereGivenUpAreNoFlood() {
    try (ClientScript script = ClientScript.started()) {
      for (int id = 1; id < 2 * 2_500; id += 2) {
        script.opened(id).tunnel().reset(TunnelReset.CANCEL);
        script.send(answer(id), answer(id));
        script.received();
      }
      assertTrue(script.channel.isOpen());
    }
  }

  @Test
  void aPeerThatChangesItsTableAllTheTimeCostsNoMoreThanOneThatDoesOnce() {
    try (ClientScript script = ClientScript.started()) {
      int[] changes = new int[2 * 256];
      for (int i = 0; i < 256; i++) {
        changes[2 * i] = SettingIds.HEADER_TABLE_SIZE;
        changes[2 * i + 1] = i % 2 == 0 ? 1_000 : 4_096;
      }
      for (int i = 0; i < 40; i++) {
        script.send(Frames.settings(changes));
      }
      script.received();
      script.open();
      ByteBuf request = script.sent();
      assertTrue(request.readableBytes() < 100, request::toString);
      assertEquals(
          List.of("HEADERS 1 :method=CONNECT :authority=10.0.0.1:80"), script.peer.read(request));
      script.open();
      script.expect("HEADERS 3 :method=CONNECT :authority=10.0.0.1:80");
    }
  }

  @Test
  void aWindowThatNeverOpensHoldsUpOnlyWhatItIsFor() {
    try (ClientScript script = ClientScript.started()) {
      script.send(Frames.settings(SettingIds.INITIAL_WINDOW_SIZE, 0));
      Opened opened = script.opened(1);
      assertFalse(opened.tunnel().isWritable(), "the application is not read");
      opened.tunnel().write(Unpooled.wrappedBuffer(new byte[100]));
      opened.tunnel().shutdownOutput();
      script.expect();
      script.send(Frames.data(1, 5, false));
      assertEquals(5, opened.listener.received);
      opened.tunnel().reset(TunnelReset.CANCEL);
      script.expect("RST_STREAM 1 CANCEL");
      assertTrue(script.connection.hasRoom());
    }
  }

  @Test
  void aConnectionThatAllowsNoTunnelsIsLeft() {
    try (ClientScript script = ClientScript.started()) {
      Opened opened = script.opened(1);
      script.send(Frames.settings(SettingIds.MAX_CONCURRENT_STREAMS, 0));
      assertEquals(List.of("usable", "retired"), script.events);
      script.send(Frames.data(1, 5, true));
      assertEquals(List.of("end"), opened.listener.events);
      opened.tunnel().shutdownOutput();
      assertTrue(script.received().contains("GOAWAY 0 NO_ERROR"));
    }
  }
}
