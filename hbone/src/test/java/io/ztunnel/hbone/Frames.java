package io.ztunnel.hbone;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.DefaultHttp2HeadersDecoder;
import io.netty.handler.codec.http2.DefaultHttp2HeadersEncoder;
import io.netty.handler.codec.http2.Http2Exception;
import io.netty.handler.codec.http2.Http2Headers;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.StringJoiner;

/**
 * Writes and reads frames as a peer would, byte by byte, with its own HPACK state. What it reads it
 * tells as text, such as {@code RST_STREAM 1 CANCEL}. Confined to the test's thread.
 */
final class Frames {
  static final byte[] PREFACE =
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".getBytes(StandardCharsets.US_ASCII);

  private final DefaultHttp2HeadersEncoder encoder = new DefaultHttp2HeadersEncoder();
  private final DefaultHttp2HeadersDecoder decoder = new DefaultHttp2HeadersDecoder(false);
  private final ByteBuf unread = Unpooled.buffer();

  static ByteBuf frame(int type, int flags, int streamId, ByteBuf payload) {
    ByteBuf out = Unpooled.buffer(9 + payload.readableBytes());
    out.writeMedium(payload.readableBytes()).writeByte(type).writeByte(flags).writeInt(streamId);
    out.writeBytes(payload);
    return out;
  }

  static ByteBuf frame(int type, int flags, int streamId, int... payload) {
    ByteBuf bytes = Unpooled.buffer();
    for (int b : payload) {
      bytes.writeByte(b);
    }
    return frame(type, flags, streamId, bytes);
  }

  static ByteBuf settings(int... idsAndValues) {
    ByteBuf payload = Unpooled.buffer();
    for (int i = 0; i < idsAndValues.length; i += 2) {
      payload.writeShort(idsAndValues[i]).writeInt(idsAndValues[i + 1]);
    }
    return frame(FrameType.SETTINGS, 0, 0, payload);
  }

  static ByteBuf settingsAck() {
    return frame(FrameType.SETTINGS, FrameType.ACK, 0);
  }

  static ByteBuf data(int streamId, int bytes, boolean endStream) {
    return frame(
        FrameType.DATA,
        endStream ? FrameType.END_STREAM : 0,
        streamId,
        Unpooled.buffer(bytes).writeZero(bytes));
  }

  static ByteBuf reset(int streamId, long code) {
    return frame(FrameType.RST_STREAM, 0, streamId, Unpooled.buffer().writeInt((int) code));
  }

  static ByteBuf windowUpdate(int streamId, int increment) {
    return frame(FrameType.WINDOW_UPDATE, 0, streamId, Unpooled.buffer().writeInt(increment));
  }

  static ByteBuf ping(long payload, boolean ack) {
    return frame(FrameType.PING, ack ? FrameType.ACK : 0, 0, Unpooled.buffer().writeLong(payload));
  }

  static ByteBuf goAway(int lastStreamId, long code, String debug) {
    ByteBuf payload = Unpooled.buffer().writeInt(lastStreamId).writeInt((int) code);
    payload.writeCharSequence(debug, StandardCharsets.US_ASCII);
    return frame(FrameType.GOAWAY, 0, 0, payload);
  }

  /** A header block, encoded with this peer's state. */
  ByteBuf block(Http2Headers headers) {
    ByteBuf block = Unpooled.buffer();
    try {
      encoder.encodeHeaders(1, headers, block);
    } catch (Http2Exception e) {
      throw new IllegalStateException(e);
    }
    return block;
  }

  ByteBuf headers(int streamId, Http2Headers headers, boolean endStream) {
    int flags = FrameType.END_HEADERS | (endStream ? FrameType.END_STREAM : 0);
    return frame(FrameType.HEADERS, flags, streamId, block(headers));
  }

  ByteBuf connect(int streamId) {
    return headers(streamId, connectHeaders(), false);
  }

  static Http2Headers connectHeaders() {
    return new DefaultHttp2Headers(false).method("CONNECT").authority("10.0.0.1:80");
  }

  /** Takes bytes and tells the frames that are complete; the rest waits for more. */
  List<String> read(ByteBuf bytes) {
    unread.writeBytes(bytes);
    bytes.release();
    if (unread.readableBytes() >= PREFACE.length && unread.getByte(unread.readerIndex()) == 'P') {
      unread.skipBytes(PREFACE.length);
    }
    List<String> frames = new ArrayList<>();
    while (unread.readableBytes() >= 9
        && unread.readableBytes() >= 9 + unread.getUnsignedMedium(unread.readerIndex())) {
      ByteBuf frame = unread.readSlice(9 + unread.getUnsignedMedium(unread.readerIndex()));
      frames.add(text(frame));
    }
    unread.discardReadBytes();
    return frames;
  }

  private String text(ByteBuf frame) {
    int length = frame.readUnsignedMedium();
    int type = frame.readUnsignedByte();
    int flags = frame.readUnsignedByte();
    int streamId = frame.readInt();
    String end = (flags & FrameType.END_STREAM) != 0 ? " END_STREAM" : "";
    return switch (type) {
      case FrameType.DATA -> "DATA " + streamId + " " + length + end;
      case FrameType.HEADERS -> "HEADERS " + streamId + " " + fields(frame) + end;
      case FrameType.RST_STREAM ->
          "RST_STREAM " + streamId + " " + Http2Words.error(frame.readUnsignedInt());
      case FrameType.SETTINGS -> {
        if ((flags & FrameType.ACK) != 0) {
          yield "SETTINGS ACK";
        }
        StringJoiner entries = new StringJoiner(" ", "SETTINGS ", "");
        while (frame.isReadable()) {
          entries.add(frame.readUnsignedShort() + "=" + frame.readUnsignedInt());
        }
        yield entries.toString();
      }
      case FrameType.PING -> "PING " + frame.readLong() + (flags == 1 ? " ACK" : "");
      case FrameType.GOAWAY ->
          "GOAWAY " + frame.readInt() + " " + Http2Words.error(frame.readUnsignedInt());
      case FrameType.WINDOW_UPDATE -> "WINDOW_UPDATE " + streamId + " " + frame.readInt();
      default -> "TYPE " + type + " " + streamId + " " + length;
    };
  }

  private String fields(ByteBuf block) {
    try {
      StringJoiner fields = new StringJoiner(" ");
      decoder.decodeHeaders(1, block).forEach(e -> fields.add(e.getKey() + "=" + e.getValue()));
      return fields.toString();
    } catch (Http2Exception e) {
      throw new IllegalStateException(e);
    }
  }
}
