package io.ztunnel.hbone;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPromise;
import io.netty.handler.codec.http2.DefaultHttp2HeadersEncoder;
import io.netty.handler.codec.http2.Http2Exception;
import io.netty.handler.codec.http2.Http2Headers;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Writes the frames of one connection, in order.
 *
 * <p>Large payloads go out as they are, their frame header written in place where the buffer has
 * room for it. Everything small is gathered, so that a TLS record is not spent on every frame. What
 * was written in one turn of the loop is flushed by one task at its end, or at once when the
 * channel's buffer is full. Where many share the connection, small frames wait for one turn more,
 * in which the loop does not sleep: what others have to say by then goes with them, and a packet
 * for each is what costs most.
 *
 * <p>Confined to its connection's event loop.
 */
final class FrameWriter {
  /** Payloads below this are copied: cheaper than a TLS record and a buffer of their own. */
  private static final int COPIED_BYTES = 4096;

  /** One full TLS record. */
  private static final int GATHERED_BYTES = 16_384;

  /**
   * What a peer that does not read may make us queue in frames other than DATA: answers to PING and
   * SETTINGS, resets, window updates, statuses.
   */
  private static final int MAX_UNREAD_CONTROL_BYTES = 256 * 1024;

  /** The encoder's table never grows over this, whatever the peer allows (RFC 7541, 4.2). */
  private static final int MAX_HEADER_TABLE_BYTES = 4096;

  private final ChannelHandlerContext ctx;
  private final FloodGuard floods;

  /** Whether others are likely to have something to send too. */
  private final BooleanSupplier shared;

  /** Values that differ on every request would only push the useful ones out of the table. */
  private final DefaultHttp2HeadersEncoder encoder =
      new DefaultHttp2HeadersEncoder(
          (name, value) -> ConnectFields.isDifferentEveryTime(name),
          /* ignoreMaxHeaderListSize= */ true);

  private int maxFrameBytes = 16_384;
  private long tableBytes = MAX_HEADER_TABLE_BYTES;

  /** Since the last header block; none, if it is above the largest. */
  private long smallestTableBytes = Long.MAX_VALUE;

  private @Nullable ByteBuf gathered;
  private @Nullable List<Runnable> onGatheredWritten;
  private boolean flushScheduled;

  /** Whether a payload is unflushed that is worth a packet of its own. */
  private boolean urgent;

  private boolean closed;
  private int unreadControlBytes;

  FrameWriter(ChannelHandlerContext ctx, FloodGuard floods, BooleanSupplier shared) {
    this.ctx = ctx;
    this.floods = floods;
    this.shared = shared;
  }

  /** SETTINGS_MAX_FRAME_SIZE of the peer. */
  int maxFrameBytes() {
    return maxFrameBytes;
  }

  void onPeerMaxFrameBytes(int bytes) {
    maxFrameBytes = bytes;
  }

  /**
   * SETTINGS_HEADER_TABLE_SIZE of the peer. The encoder hears of it with the next header block, for
   * it keeps something for each change; the smallest and the last are what matters (RFC 7541, 4.2).
   */
  void onPeerHeaderTableBytes(long bytes) {
    tableBytes = Math.min(bytes, MAX_HEADER_TABLE_BYTES);
    smallestTableBytes = Math.min(smallestTableBytes, tableBytes);
  }

  private void applyHeaderTableBytes() throws Http2Exception {
    if (smallestTableBytes <= MAX_HEADER_TABLE_BYTES) {
      encoder.configuration().maxHeaderTableSize(smallestTableBytes);
      encoder.configuration().maxHeaderTableSize(tableBytes);
      smallestTableBytes = Long.MAX_VALUE;
    }
  }

  /** Whether the channel's buffer takes more. */
  boolean isWritable() {
    return !closed && ctx.channel().isWritable();
  }

  void onWritable() {
    unreadControlBytes = 0;
  }

  /** Whether the peer lets more control frames pile up than it may. */
  boolean isFlooded() {
    return unreadControlBytes > MAX_UNREAD_CONTROL_BYTES;
  }

  /** Raw bytes: the client's preface. */
  void bytes(byte[] bytes) {
    room(bytes.length).writeBytes(bytes);
  }

  /** SETTINGS with pairs of identifier and value. */
  void settings(int... idsAndValues) {
    ByteBuf out = control(idsAndValues.length / 2 * 6, FrameType.SETTINGS, 0, 0);
    for (int i = 0; i < idsAndValues.length; i += 2) {
      out.writeShort(idsAndValues[i]).writeInt(idsAndValues[i + 1]);
    }
  }

  void settingsAck() {
    control(0, FrameType.SETTINGS, FrameType.ACK, 0);
  }

  void ping(long payload, boolean ack) {
    control(8, FrameType.PING, ack ? FrameType.ACK : 0, 0).writeLong(payload);
  }

  void windowUpdate(int streamId, int increment) {
    control(4, FrameType.WINDOW_UPDATE, 0, streamId).writeInt(increment);
  }

  void reset(int streamId, long code) {
    control(4, FrameType.RST_STREAM, 0, streamId).writeInt((int) code);
  }

  void goAway(int lastStreamId, long code, String debug) {
    byte[] text = debug.getBytes(StandardCharsets.US_ASCII);
    control(8 + text.length, FrameType.GOAWAY, 0, 0)
        .writeInt(lastStreamId)
        .writeInt((int) code)
        .writeBytes(text);
  }

  /** HEADERS, and CONTINUATION if they do not fit one frame. */
  void headers(int streamId, Http2Headers headers, boolean endStream) {
    ByteBuf block = ctx.alloc().buffer(256);
    try {
      applyHeaderTableBytes();
      encoder.encodeHeaders(streamId, headers, block);
      int type = FrameType.HEADERS;
      int flags = endStream ? FrameType.END_STREAM : 0;
      do {
        int n = Math.min(block.readableBytes(), maxFrameBytes);
        boolean last = n == block.readableBytes();
        control(n, type, last ? flags | FrameType.END_HEADERS : flags, streamId)
            .writeBytes(block, n);
        type = FrameType.CONTINUATION;
        flags = 0;
      } while (block.isReadable());
    } catch (Http2Exception e) {
      throw new IllegalStateException("cannot encode " + headers, e);
    } finally {
      block.release();
    }
  }

  /**
   * One DATA frame; takes the payload, which must not exceed {@link #maxFrameBytes}.
   *
   * @param onWritten is run once the frame is in the socket's buffer; not at all if that fails
   */
  void data(int streamId, ByteBuf payload, boolean endStream, @Nullable Runnable onWritten) {
    int length = payload.readableBytes();
    floods.onDataSent(length);
    int flags = endStream ? FrameType.END_STREAM : 0;
    if (length < COPIED_BYTES) {
      ByteBuf out = room(FrameType.HEADER_BYTES + length);
      frameHeader(out, length, FrameType.DATA, flags, streamId);
      out.writeBytes(payload);
      payload.release();
      if (onWritten != null) {
        if (onGatheredWritten == null) {
          onGatheredWritten = new ArrayList<>();
        }
        onGatheredWritten.add(onWritten);
      }
      return;
    }
    if (hasOwnHeadRoom(payload)) {
      putFrameHeader(payload, length, flags, streamId);
    } else {
      frameHeader(room(FrameType.HEADER_BYTES), length, FrameType.DATA, flags, streamId);
    }
    writeGathered();
    write(payload, onWritten == null ? null : List.of(onWritten));
    urgent = true;
    scheduleFlush();
    if (!ctx.channel().isWritable()) {
      flush();
    }
  }

  /** Sends everything now. */
  void flush() {
    urgent = false;
    writeGathered();
    ctx.flush();
  }

  /** Lets go of what was not handed to the channel; later frames are dropped. */
  void close() {
    closed = true;
    if (gathered != null) {
      gathered.release();
      gathered = null;
    }
    onGatheredWritten = null;
  }

  /** Where buffers of the connection come from. */
  ByteBufAllocator alloc() {
    return ctx.alloc();
  }

  private ByteBuf control(int length, int type, int flags, int streamId) {
    if (!ctx.channel().isWritable()) {
      unreadControlBytes += FrameType.HEADER_BYTES + length;
    }
    ByteBuf out = room(FrameType.HEADER_BYTES + length);
    frameHeader(out, length, type, flags, streamId);
    return out;
  }

  /** The gathering buffer, with room for this much. */
  private ByteBuf room(int bytes) {
    if (gathered != null && gathered.capacity() - gathered.writerIndex() < bytes) {
      writeGathered();
    }
    if (gathered == null) {
      gathered = ctx.alloc().directBuffer(Math.max(GATHERED_BYTES, bytes));
      scheduleFlush();
    }
    return gathered;
  }

  private void writeGathered() {
    ByteBuf out = gathered;
    if (out == null) {
      return;
    }
    List<Runnable> written = onGatheredWritten;
    gathered = null;
    onGatheredWritten = null;
    write(out, written);
  }

  private void write(ByteBuf out, @Nullable List<Runnable> onWritten) {
    if (closed) {
      out.release();
      return;
    }
    if (onWritten == null) {
      ctx.write(out, ctx.voidPromise());
      return;
    }
    ChannelPromise promise = ctx.newPromise();
    promise.addListener(
        written -> {
          if (written.isSuccess()) {
            onWritten.forEach(Runnable::run);
          }
        });
    ctx.write(out, promise);
  }

  private void scheduleFlush() {
    if (!flushScheduled) {
      flushScheduled = true;
      ctx.executor().execute(this::onEndOfTurn);
    }
  }

  private void onEndOfTurn() {
    if (urgent || !shared.getAsBoolean()) {
      flushAsScheduled();
    } else {
      ctx.executor().schedule(this::flushAsScheduled, 0, TimeUnit.NANOSECONDS);
    }
  }

  private void flushAsScheduled() {
    flushScheduled = false;
    flush();
  }

  /** Whether the bytes in front of the payload are nobody else's. */
  private static boolean hasOwnHeadRoom(ByteBuf payload) {
    return payload.readerIndex() >= FrameType.HEADER_BYTES
        && payload.refCnt() == 1
        && !payload.isReadOnly()
        && payload.unwrap() == null;
  }

  private static void putFrameHeader(ByteBuf payload, int length, int flags, int streamId) {
    int start = payload.readerIndex() - FrameType.HEADER_BYTES;
    payload.setMedium(start, length);
    payload.setByte(start + 3, FrameType.DATA);
    payload.setByte(start + 4, flags);
    payload.setInt(start + 5, streamId);
    payload.readerIndex(start);
  }

  private static void frameHeader(ByteBuf out, int length, int type, int flags, int streamId) {
    out.writeMedium(length).writeByte(type).writeByte(flags).writeInt(streamId);
  }
}
