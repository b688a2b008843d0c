package io.ztunnel.hbone;

import io.netty.buffer.ByteBuf;
import io.netty.channel.EventLoop;

/**
 * One CONNECT stream after its 200, seen from either end (RFC 9113, 8.5).
 *
 * <p>Confined to {@link #eventLoop()}: every method is called there, and the listener is called
 * there. A tunnel is over once both halves have ended, or it was reset by either side, or its
 * connection was lost; calls after that do nothing, and {@link #write} releases what it was given.
 */
public interface Tunnel {
  /**
   * Bytes to leave free in front of a payload given to {@link #write}: with that room, and a buffer
   * nobody else holds, the frame header is written in place and nothing is copied.
   */
  int HEAD_ROOM_BYTES = 9;

  /** The loop of the connection that carries this tunnel. */
  EventLoop eventLoop();

  /**
   * Sends payload, in order; takes ownership of the buffer. Any amount is taken: what the
   * flow-control windows do not allow yet is queued, and {@link #isWritable()} is false while
   * something is queued. What was written in one turn of the loop is flushed together at its end.
   */
  void write(ByteBuf payload);

  /** Whether the send windows and the connection's outbound buffer take more now. */
  boolean isWritable();

  /** Ends our half after all that was written: END_STREAM. A second call does nothing. */
  void shutdownOutput();

  /**
   * As {@link #shutdownOutput}, for an owner who wants nothing from the peer any more: once all
   * that was written and the end are in the connection's socket buffer, the peer's half ends with
   * RST_STREAM, unless it has ended by then, and {@link TunnelListener#onFinished} is called. What
   * arrives until then is given out as ever. A server resets with NO_ERROR, a client with CANCEL
   * (RFC 9113, 8.1). Our half may have ended before; a second call does nothing.
   */
  void leave();

  /**
   * As {@link #reset} with CANCEL, but after all that was written, however long its windows are
   * shut; {@link TunnelListener#onFinished} is called then, perhaps before this returns. What
   * arrives until then is given out as ever. Drops what is queued if our half has ended before.
   */
  void resetAfterWrites();

  /**
   * Returns flow-control credit of the stream for bytes given to {@link TunnelListener#onData} that
   * have found their way out. Credit of the connection never waits for this: one slow tunnel must
   * not stop its neighbours.
   */
  void consumed(int bytes);

  /**
   * Ends both halves at once with RST_STREAM, dropping what is queued. Does nothing when the tunnel
   * is already over. The listener is not called any more.
   */
  void reset(TunnelReset code);
}
