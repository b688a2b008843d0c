package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import java.time.Duration;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Each flood ends its connection; what busy peers do all day does not. */
class FloodTest {
  /** The n-th frame of a flood, with one tunnel open as stream 1. */
  static Stream<Arguments> floods() {
    return Stream.of(
        flood("PING", 300, _ -> Frames.ping(1, false)),
        flood("PING", 300, n -> Frames.ping(n, true)),
        flood("SETTINGS", 100, _ -> Frames.settings()),
        flood("SETTINGS", 100, _ -> Frames.settings(4, 70_000)),
        flood("SETTINGS", 100, _ -> Frames.settingsAck()),
        flood("NOTICE", 100, _ -> Frames.goAway(0, 0, "")),
        flood("PRIORITY", 2_000, _ -> Frames.frame(FrameType.PRIORITY, 0, 1, 0, 0, 0, 3, 1)),
        flood("UNKNOWN", 2_000, _ -> Frames.frame(0x55, 0, 1)),
        flood("EMPTY_DATA", 300, _ -> Frames.data(1, 0, false)),
        flood("EMPTY_DATA", 300, _ -> Frames.frame(FrameType.DATA, FrameType.PADDED, 1, 1, 0)),
        flood("SMALL_DATA", 300, _ -> many(1_000, Frames.data(1, 1, false))),
        flood("WINDOW_UPDATE", 300, _ -> many(100, Frames.windowUpdate(1, 1))),
        flood("WINDOW_UPDATE", 300, _ -> many(100, Frames.windowUpdate(0, 1))),
        flood("RESET", 300, _ -> many(100, Frames.reset(1, 8))),
        flood(
            "STREAM_ERROR",
            300,
            n -> new Frames().headers(2 * n + 3, new DefaultHttp2Headers(false), false)));
  }

  private static ByteBuf many(int count, ByteBuf frame) {
    ByteBuf all = Unpooled.buffer(count * frame.readableBytes());
    for (int i = 0; i < count; i++) {
      all.writeBytes(frame, 0, frame.readableBytes());
    }
    frame.release();
    return all;
  }

  private static Arguments flood(String kind, int count, IntFunction<ByteBuf> frame) {
    return Arguments.of(kind, count, frame);
  }

  @ParameterizedTest(name = "{0} {index}")
  @MethodSource("floods")
  void floodsEndTheConnection(String kind, int count, IntFunction<ByteBuf> frame) {
    try (ServerScript script = ServerScript.started()) {
      script.open(1);
      for (int i = 0; i < count && script.channel.isOpen(); i++) {
        script.send(frame.apply(i));
      }
      script.expectConnectionError("ENHANCE_YOUR_CALM");
      assertTrue(script.events.contains("flood: " + kind), script.events::toString);
    }
  }

  @Test
  void rapidResetEndsTheConnection() {
    try (ServerScript script = ServerScript.started()) {
      int id = 1;
      while (script.channel.isOpen() && id < 10_000) {
        script.send(script.peer.connect(id), Frames.reset(id, 8));
        id += 2;
      }
      script.expectConnectionError("ENHANCE_YOUR_CALM");
      assertTrue(script.events.contains("flood: EARLY_RESET"));
      assertEquals(1001, script.connects.size());
    }
  }

  @Test
  void makingUsResetEndsTheConnection() {
    try (ServerScript script = ServerScript.started()) {
      int id = 1;
      while (script.channel.isOpen() && id < 10_000) {
        script.send(script.peer.connect(id), Frames.windowUpdate(id, 0));
        id += 2;
      }
      script.expectConnectionError("ENHANCE_YOUR_CALM");
      assertEquals(201, script.connects.size());
    }
  }

  @Test
  void refusedStreamsInMassesEndTheConnection() {
    try (ServerScript script = ServerScript.started()) {
      int id = 1;
      while (script.channel.isOpen() && id < 20_000) {
        script.send(script.peer.connect(id));
        id += 2;
      }
      script.expectConnectionError("ENHANCE_YOUR_CALM");
      assertTrue(script.events.contains("flood: REFUSED"));
      assertEquals(200, script.connects.size());
    }
  }

  /** Nobody with manners asks for so much before the answers can have come. */
  @ParameterizedTest(name = "aborted: {0}")
  @ValueSource(booleans = {false, true})
  void requestsThatAreTurnedDownAreOpenUntilTheirSenderCanKnow(boolean aborted) {
    try (ServerScript script = ServerScript.started()) {
      script.onConnect =
          connect -> {
            if (aborted) {
              connect.abort(TunnelReset.CANCEL);
            } else {
              connect.reject(404);
            }
          };
      int id = 1;
      for (int read = 1; read <= 3; read++) {
        ByteBuf requests = Unpooled.buffer();
        for (int i = 0; i < 400; i++, id += 2) {
          ByteBuf request = script.peer.connect(id);
          requests.writeBytes(request);
          request.release();
        }
        script.send(requests);
        assertEquals(200 * read, script.connects.size());
      }
      script.expectAlive();
    }
  }

  @Test
  void aLimitHasOneNameWhateverThePeerSends() {
    for (int length : List.of(2_000, 3_000)) {
      try (ServerScript script = ServerScript.started()) {
        script.send(Unpooled.buffer(9).writeMedium(length).writeByte(4).writeByte(0).writeInt(0));
        script.expectConnectionError("ENHANCE_YOUR_CALM");
        assertTrue(script.events.contains("flood: bytes in a frame"), script.events::toString);
      }
    }
  }

  @Test
  void continuationsWithoutEndEndTheConnection() {
    try (ServerScript script = ServerScript.started()) {
      script.send(
          Frames.frame(FrameType.HEADERS, 0, 1, script.peer.block(Frames.connectHeaders())));
      for (int i = 0; i < 100 && script.channel.isOpen(); i++) {
        script.send(Frames.frame(FrameType.CONTINUATION, 0, 1));
      }
      script.expectConnectionError("ENHANCE_YOUR_CALM");
    }
  }

  @Test
  void aHeaderBlockThatGrowsEndsTheConnection() {
    try (ServerScript script = ServerScript.started()) {
      script.send(Frames.frame(FrameType.HEADERS, 0, 1, Unpooled.buffer().writeZero(16_384)));
      for (int i = 0; i < 20 && script.channel.isOpen(); i++) {
        script.send(
            Frames.frame(FrameType.CONTINUATION, 0, 1, Unpooled.buffer().writeZero(16_384)));
      }
      script.expectConnectionError("ENHANCE_YOUR_CALM");
    }
  }

  @Test
  void aHeaderBlockThatNeverEndsTimesOut() {
    try (ServerScript script = ServerScript.started()) {
      script.send(
          Frames.frame(FrameType.HEADERS, 0, 1, script.peer.block(Frames.connectHeaders())));
      script.after(Duration.ofSeconds(10));
      script.expectConnectionError("ENHANCE_YOUR_CALM");
    }
  }

  @Test
  void aHugeHeaderFrameIsNotWaitedFor() {
    try (ServerScript script = ServerScript.started()) {
      script.send(
          Unpooled.buffer()
              .writeMedium(1_000_000)
              .writeByte(FrameType.HEADERS)
              .writeZero(4)
              .writeByte(1));
      script.expectConnectionError("ENHANCE_YOUR_CALM");
    }
  }

  @Test
  void answersThatAreNotReadEndTheConnection() {
    try (ServerScript script = ServerScript.started()) {
      script.writable(false);
      for (int i = 0; i < 100_000 && script.channel.isOpen(); i++) {
        script.send(Frames.ping(i, false));
        if (i % 100 == 0) {
          script.after(Duration.ofSeconds(10)); // slow enough for the rate, were it read
          script.send(Frames.ping(i / 100 + 1, true));
        }
      }
      script.expectConnectionError("ENHANCE_YOUR_CALM");
      assertTrue(
          script.events.contains("flood: answers that the peer does not read"),
          script.events::toString);
    }
  }

  /** Go's HTTP/2 gives credit back for each read of its application, from 4 KiB on. */
  @Test
  void creditInSmallPiecesForLargeFramesIsNoFlood() {
    try (ServerScript script = ServerScript.started()) {
      script.send(Frames.settings(5, 1 << 20));
      RecordingListener listener = script.open(1);
      int piece = 4 << 10;
      int pieces = 15;
      for (int i = 0; i < 2_000; i++) {
        listener.tunnel().write(Unpooled.wrappedBuffer(new byte[pieces * piece]));
        script.expect("DATA 1 " + pieces * piece);
        for (int read = 0; read < pieces; read++) {
          script.send(Frames.windowUpdate(1, piece), Frames.windowUpdate(0, piece));
        }
        script.expectAlive();
      }
    }
  }

  @Test
  void busyPeersAreNotFloods() {
    try (ServerScript script = ServerScript.started()) {
      int id = 1;
      // 3,000 tunnels a second for three seconds: small payloads both ways, window
      // updates for each of ours, every tunnel reset at its end.
      for (int second = 0; second < 3; second++) {
        for (int i = 0; i < 3_000; i++) {
          script.send(script.peer.connect(id));
          RecordingListener listener = new RecordingListener();
          listener.tunnel = script.connects.getLast().accept(ConnectAnswer.PLAIN, listener);
          script.connects.clear();
          script.send(Frames.data(id, 10, false), Frames.data(id, 100, false));
          listener.tunnel().write(Unpooled.wrappedBuffer(new byte[50]));
          script.send(Frames.windowUpdate(id, 50), Frames.windowUpdate(0, 50));
          script.send(Frames.reset(id, 8));
          id += 2;
        }
        script.received();
        script.events.clear();
        script.after(Duration.ofSeconds(1));
        script.expectAlive();
        script.send(Frames.ping(1, true));
      }
    }
  }
}
