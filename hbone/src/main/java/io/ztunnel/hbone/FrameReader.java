package io.ztunnel.hbone;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.Unpooled;
import io.netty.handler.codec.http2.Http2Error;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * Cuts the byte stream of a connection into frames (RFC 9113, 4 and 6).
 *
 * <p>DATA is handed on in the slices it came in, without waiting for its frame to be complete; only
 * crumbs are copied, so that whoever keeps one does not keep a read of the socket. All other frames
 * are small: they are collected whole, within a bound, unless they came whole. Frames of unknown
 * types are skipped without being kept.
 *
 * <p>Confined to its connection's event loop. After a {@link ConnectionError} it takes no more.
 */
final class FrameReader {
  /**
   * The largest header fragment and SETTINGS payload taken in one frame. More than what a header
   * list of the advertised size compresses to; what is larger is an attack or a mistake.
   */
  static final int MAX_COLLECTED_BYTES = 128 * 1024;

  /** The most payload that is copied; and it is less than this part of the read it came with. */
  private static final int CRUMB_BYTES = 4 << 10;

  private static final int CRUMBS_IN_READ = 16;

  private static final int MAX_SETTINGS_BYTES = 6 * 256;
  private static final int MAX_GOAWAY_DEBUG_BYTES = 1024;

  private enum Part {
    FRAME_HEADER,
    PAD_LENGTH,
    DATA,
    PADDING,
    COLLECTED,
    SKIPPED
  }

  private final ByteBufAllocator alloc;
  private final FrameHandler handler;
  private final int maxFrameBytes;
  private final byte[] header = new byte[FrameType.HEADER_BYTES];

  private Part part = Part.FRAME_HEADER;
  private int headerBytes;
  private @Nullable ByteBuf collected;
  private boolean dispatching;
  private boolean closed;

  private int length;
  private int type;
  private int flags;
  private int streamId;
  private int remaining;
  private int dataBytes;
  private int padding;

  FrameReader(ByteBufAllocator alloc, FrameHandler handler, int maxFrameBytes) {
    this.alloc = alloc;
    this.handler = handler;
    this.maxFrameBytes = maxFrameBytes;
  }

  /** Takes what arrived, and the buffer with it. */
  void read(ByteBuf in) throws ConnectionError {
    ByteBuf rest = in;
    try {
      while (!closed && rest.isReadable()) {
        if (part == Part.DATA
            && rest.readableBytes() <= remaining
            && !isCrumb(rest, rest.readableBytes())) {
          // The whole rest is payload: hand on the buffer itself.
          ByteBuf all = rest;
          rest = Unpooled.EMPTY_BUFFER;
          dataChunk(all);
        } else {
          step(rest);
        }
      }
    } finally {
      rest.release();
    }
  }

  /** Lets go of what was collected; nothing is handed on any more. */
  void close() {
    closed = true;
    if (!dispatching) {
      releaseCollected();
    }
  }

  private void step(ByteBuf in) throws ConnectionError {
    switch (part) {
      case FRAME_HEADER -> readHeader(in);
      case PAD_LENGTH -> readPadLength(in);
      case DATA -> dataChunk(takeData(in));
      case PADDING, SKIPPED -> skip(in);
      case COLLECTED -> collect(in);
    }
  }

  private ByteBuf takeData(ByteBuf in) {
    int bytes = Math.min(in.readableBytes(), remaining);
    return isCrumb(in, bytes)
        ? alloc.directBuffer(bytes, bytes).writeBytes(in, bytes)
        : in.readRetainedSlice(bytes);
  }

  private static boolean isCrumb(ByteBuf in, int bytes) {
    return bytes < CRUMB_BYTES && PayloadPacker.keptBy(in) > CRUMBS_IN_READ * bytes;
  }

  private void readHeader(ByteBuf in) throws ConnectionError {
    int n = Math.min(in.readableBytes(), FrameType.HEADER_BYTES - headerBytes);
    in.readBytes(header, headerBytes, n);
    headerBytes += n;
    if (headerBytes < FrameType.HEADER_BYTES) {
      return;
    }
    headerBytes = 0;
    length = (header[0] & 0xff) << 16 | (header[1] & 0xff) << 8 | (header[2] & 0xff);
    type = header[3] & 0xff;
    flags = header[4] & 0xff;
    streamId =
        (header[5] & 0x7f) << 24
            | (header[6] & 0xff) << 16
            | (header[7] & 0xff) << 8
            | (header[8] & 0xff);
    remaining = length;
    padding = 0;
    handler.onFrame(type, streamId);
    if (length > maxFrameBytes) {
      throw new ConnectionError(
          Http2Error.FRAME_SIZE_ERROR,
          "frame of " + length + " bytes (expected: at most " + maxFrameBytes + ")");
    }
    switch (type) {
      case FrameType.DATA -> startData();
      case FrameType.HEADERS, FrameType.CONTINUATION -> startCollected(MAX_COLLECTED_BYTES);
      case FrameType.SETTINGS -> startCollected(MAX_SETTINGS_BYTES);
      case FrameType.PRIORITY -> startExact(5);
      case FrameType.RST_STREAM, FrameType.WINDOW_UPDATE -> startExact(4);
      case FrameType.PING -> startExact(8);
      case FrameType.GOAWAY -> startGoAway();
      case FrameType.PUSH_PROMISE ->
          throw new ConnectionError(Http2Error.PROTOCOL_ERROR, "PUSH_PROMISE, which is disabled");
      default -> {
        handler.onUnknown(type);
        part = Part.SKIPPED;
        finishIfNothingRemains();
      }
    }
  }

  private void startData() throws ConnectionError {
    requireStream();
    dataBytes = 0;
    handler.onDataStart(streamId, length);
    if ((flags & FrameType.PADDED) != 0) {
      if (length == 0) {
        throw new ConnectionError(
            Http2Error.FRAME_SIZE_ERROR, "padded DATA without room for the pad length");
      }
      part = Part.PAD_LENGTH;
    } else {
      part = Part.DATA;
      finishDataIfNothingRemains();
    }
  }

  private void readPadLength(ByteBuf in) throws ConnectionError {
    padding = in.readUnsignedByte();
    remaining--;
    if (padding > remaining) {
      throw new ConnectionError(
          Http2Error.PROTOCOL_ERROR,
          "DATA padding of " + padding + " bytes (expected: at most " + remaining + ")");
    }
    remaining -= padding;
    part = Part.DATA;
    finishDataIfNothingRemains();
  }

  private void dataChunk(ByteBuf chunk) throws ConnectionError {
    remaining -= chunk.readableBytes();
    dataBytes += chunk.readableBytes();
    handler.onDataChunk(streamId, chunk);
    finishDataIfNothingRemains();
  }

  private void finishDataIfNothingRemains() throws ConnectionError {
    if (!closed && part == Part.DATA && remaining == 0) {
      remaining = padding;
      part = Part.PADDING;
      finishIfNothingRemains();
    }
  }

  private void skip(ByteBuf in) throws ConnectionError {
    int n = Math.min(in.readableBytes(), remaining);
    in.skipBytes(n);
    remaining -= n;
    finishIfNothingRemains();
  }

  private void finishIfNothingRemains() throws ConnectionError {
    if (remaining > 0) {
      return;
    }
    boolean data = part == Part.PADDING;
    part = Part.FRAME_HEADER;
    if (data) {
      int overhead = (flags & FrameType.PADDED) != 0 ? padding + 1 : 0;
      handler.onDataEnd(streamId, dataBytes, overhead, (flags & FrameType.END_STREAM) != 0);
    }
  }

  private void startExact(int bytes) throws ConnectionError {
    if (length != bytes) {
      throw new ConnectionError(
          Http2Error.FRAME_SIZE_ERROR,
          "frame of type " + type + " with " + length + " bytes (expected: " + bytes + ")");
    }
    startCollected(bytes);
  }

  private void startGoAway() throws ConnectionError {
    if (length < 8) {
      throw new ConnectionError(
          Http2Error.FRAME_SIZE_ERROR, "GOAWAY with " + length + " bytes (expected: at least 8)");
    }
    startCollected(MAX_COLLECTED_BYTES);
  }

  private void startCollected(int limit) throws ConnectionError {
    if (length > limit) {
      throw ConnectionError.flood(
          "bytes in a frame",
          " of type " + type + ": " + length + " (expected: at most " + limit + ")");
    }
    if (length == 0) {
      dispatch(Unpooled.EMPTY_BUFFER);
    } else {
      part = Part.COLLECTED;
    }
  }

  private void collect(ByteBuf in) throws ConnectionError {
    if (collected == null && in.readableBytes() >= length) {
      dispatch(in.readSlice(length));
      return;
    }
    if (collected == null) {
      // Grown with what really arrives: a length alone must not cost memory.
      collected = alloc.buffer(Math.min(length, 512), length);
    }
    int n = Math.min(in.readableBytes(), remaining);
    collected.writeBytes(in, n);
    remaining -= n;
    if (remaining == 0) {
      dispatching = true;
      try {
        dispatch(collected);
      } finally {
        dispatching = false;
        releaseCollected();
      }
    }
  }

  private void dispatch(ByteBuf payload) throws ConnectionError {
    part = Part.FRAME_HEADER;
    switch (type) {
      case FrameType.HEADERS -> dispatchHeaders(payload);
      case FrameType.CONTINUATION -> {
        requireStream();
        handler.onContinuation(streamId, payload, (flags & FrameType.END_HEADERS) != 0);
      }
      case FrameType.SETTINGS -> dispatchSettings(payload);
      case FrameType.PRIORITY -> {
        requireStream();
        handler.onPriority(streamId, payload.readInt() & 0x7fffffff);
      }
      case FrameType.RST_STREAM -> {
        requireStream();
        handler.onReset(streamId, payload.readUnsignedInt());
      }
      case FrameType.WINDOW_UPDATE ->
          handler.onWindowUpdate(streamId, payload.readInt() & 0x7fffffff);
      case FrameType.PING -> {
        requireNoStream();
        handler.onPing(payload.readLong(), (flags & FrameType.ACK) != 0);
      }
      case FrameType.GOAWAY -> {
        requireNoStream();
        int last = payload.readInt() & 0x7fffffff;
        long code = payload.readUnsignedInt();
        int n = Math.min(payload.readableBytes(), MAX_GOAWAY_DEBUG_BYTES);
        handler.onGoAway(last, code, payload.readCharSequence(n, StandardCharsets.UTF_8) + "");
      }
      default -> throw new IllegalStateException("frame type " + type + " is not collected");
    }
  }

  private void dispatchHeaders(ByteBuf payload) throws ConnectionError {
    requireStream();
    int pad = 0;
    int fixed = ((flags & FrameType.PADDED) != 0 ? 1 : 0) + (prioritized() ? 5 : 0);
    if (payload.readableBytes() < fixed) {
      throw new ConnectionError(
          Http2Error.FRAME_SIZE_ERROR,
          "HEADERS with " + length + " bytes (expected: at least " + fixed + ")");
    }
    if ((flags & FrameType.PADDED) != 0) {
      pad = payload.readUnsignedByte();
    }
    int dependency = -1;
    if (prioritized()) {
      dependency = payload.readInt() & 0x7fffffff;
      payload.skipBytes(1);
    }
    if (pad > payload.readableBytes()) {
      throw new ConnectionError(
          Http2Error.PROTOCOL_ERROR,
          "HEADERS padding of "
              + pad
              + " bytes (expected: at most "
              + payload.readableBytes()
              + ")");
    }
    handler.onHeaders(
        streamId,
        payload.readSlice(payload.readableBytes() - pad),
        (flags & FrameType.END_HEADERS) != 0,
        (flags & FrameType.END_STREAM) != 0,
        dependency);
  }

  private void dispatchSettings(ByteBuf payload) throws ConnectionError {
    requireNoStream();
    if ((flags & FrameType.ACK) != 0) {
      if (length != 0) {
        throw new ConnectionError(
            Http2Error.FRAME_SIZE_ERROR, "SETTINGS ACK with " + length + " bytes (expected: 0)");
      }
      handler.onSettingsAck();
      return;
    }
    if (length % 6 != 0) {
      throw new ConnectionError(
          Http2Error.FRAME_SIZE_ERROR,
          "SETTINGS with " + length + " bytes (expected: a multiple of 6)");
    }
    handler.onSettings(payload);
  }

  private boolean prioritized() {
    return (flags & FrameType.PRIORITIZED) != 0;
  }

  private void requireStream() throws ConnectionError {
    if (streamId == 0) {
      throw new ConnectionError(
          Http2Error.PROTOCOL_ERROR, "frame of type " + type + " on stream 0 (expected: a stream)");
    }
  }

  private void requireNoStream() throws ConnectionError {
    if (streamId != 0) {
      throw new ConnectionError(
          Http2Error.PROTOCOL_ERROR,
          "frame of type " + type + " on stream " + streamId + " (expected: stream 0)");
    }
  }

  private void releaseCollected() {
    if (collected != null) {
      collected.release();
      collected = null;
    }
  }
}
