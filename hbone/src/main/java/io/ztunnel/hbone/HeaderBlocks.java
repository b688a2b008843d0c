package io.ztunnel.hbone;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.handler.codec.http2.DefaultHttp2HeadersDecoder;
import io.netty.handler.codec.http2.Http2Error;
import io.netty.handler.codec.http2.Http2Exception;
import io.netty.handler.codec.http2.Http2Headers;
import org.jspecify.annotations.Nullable;

/**
 * Puts HEADERS and CONTINUATION together and decodes them (RFC 9113, 4.3; RFC 7541). A block is
 * bounded in bytes and in frames, empty ones included.
 *
 * <p>Confined to its connection's event loop.
 */
final class HeaderBlocks {
  private static final int MAX_CONTINUATIONS = 32;

  /** Hears about decoded blocks. */
  interface Listener {
    void onBlock(int streamId, Http2Headers headers, boolean endStream) throws ConnectionError;

    /** The block was decoded, so that the connection can go on, but breaks a rule for fields. */
    void onMalformedBlock(int streamId, Http2Error code, String message) throws ConnectionError;
  }

  private final ByteBufAllocator alloc;
  private final DefaultHttp2HeadersDecoder decoder;
  private final Listener listener;

  private @Nullable ByteBuf fragments;
  private int streamId;
  private boolean endStream;
  private int continuations;

  HeaderBlocks(ByteBufAllocator alloc, int maxHeaderListBytes, Listener listener) {
    this.alloc = alloc;
    this.decoder = new DefaultHttp2HeadersDecoder(true, maxHeaderListBytes);
    this.listener = listener;
  }

  /** Whether a block has begun and is not complete: only its CONTINUATION may follow. */
  boolean isOpen() {
    return fragments != null;
  }

  void onHeaders(int streamId, ByteBuf fragment, boolean endHeaders, boolean endStream)
      throws ConnectionError {
    this.streamId = streamId;
    this.endStream = endStream;
    if (endHeaders) {
      decode(fragment);
      return;
    }
    continuations = 0;
    fragments = alloc.buffer(Math.max(256, fragment.readableBytes())).writeBytes(fragment);
  }

  void onContinuation(int streamId, ByteBuf fragment, boolean endHeaders) throws ConnectionError {
    ByteBuf block = fragments;
    if (block == null || streamId != this.streamId) {
      throw new ConnectionError(
          Http2Error.PROTOCOL_ERROR,
          "CONTINUATION on stream " + streamId + " without HEADERS before it");
    }
    if (++continuations > MAX_CONTINUATIONS) {
      throw ConnectionError.flood("CONTINUATION");
    }
    if (block.readableBytes() + fragment.readableBytes() > FrameReader.MAX_COLLECTED_BYTES) {
      throw ConnectionError.flood("bytes in a header block");
    }
    block.writeBytes(fragment);
    if (endHeaders) {
      fragments = null;
      try {
        decode(block);
      } finally {
        block.release();
      }
    }
  }

  /** Lets go of an incomplete block. */
  void close() {
    if (fragments != null) {
      fragments.release();
      fragments = null;
    }
  }

  private void decode(ByteBuf block) throws ConnectionError {
    Http2Headers headers;
    try {
      headers = decoder.decodeHeaders(streamId, block);
    } catch (Http2Exception e) {
      if (!Http2Exception.isStreamError(e)) {
        throw new ConnectionError(e.error(), String.valueOf(e.getMessage()));
      }
      listener.onMalformedBlock(streamId, e.error(), String.valueOf(e.getMessage()));
      return;
    }
    listener.onBlock(streamId, headers, endStream);
  }
}
