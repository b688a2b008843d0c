package io.ztunnel.hbone;

import io.netty.buffer.ByteBuf;

/**
 * Hears the frames of one connection, in order, each already checked for its own form (length,
 * padding, presence of a stream). What a frame means in the state of its stream is the handler's
 * part. Buffers that are arguments stay with the caller, except that of {@link #onDataChunk}.
 */
interface FrameHandler {
  /**
   * A DATA frame begins.
   *
   * @param flowBytes the whole payload with padding, as flow control counts it
   */
  void onDataStart(int streamId, int flowBytes) throws ConnectionError;

  /** A part of the payload, at once as it came; ownership passes. */
  void onDataChunk(int streamId, ByteBuf chunk) throws ConnectionError;

  /**
   * The DATA frame is complete.
   *
   * @param dataBytes its payload without padding
   */
  void onDataEnd(int streamId, int dataBytes, int paddingBytes, boolean endStream)
      throws ConnectionError;

  /**
   * A HEADERS frame without padding and priority fields.
   *
   * @param dependency the stream it claims to depend on, or -1 without priority fields
   */
  void onHeaders(
      int streamId, ByteBuf fragment, boolean endHeaders, boolean endStream, int dependency)
      throws ConnectionError;

  void onContinuation(int streamId, ByteBuf fragment, boolean endHeaders) throws ConnectionError;

  void onPriority(int streamId, int dependency) throws ConnectionError;

  void onReset(int streamId, long errorCode) throws ConnectionError;

  /** One SETTINGS frame without ACK; the payload holds whole entries. */
  void onSettings(ByteBuf entries) throws ConnectionError;

  void onSettingsAck() throws ConnectionError;

  void onPing(long payload, boolean ack) throws ConnectionError;

  /** The debug text is cut to a bounded length. */
  void onGoAway(int lastStreamId, long errorCode, String debug) throws ConnectionError;

  /** A window update; stream 0 is the connection. The increment may be 0. */
  void onWindowUpdate(int streamId, int increment) throws ConnectionError;

  /** A frame of a type this endpoint does not know; its payload was skipped. */
  void onUnknown(int type) throws ConnectionError;

  /** Any frame begins: type and stream as they are on the wire, before anything is checked. */
  void onFrame(int type, int streamId) throws ConnectionError;
}
