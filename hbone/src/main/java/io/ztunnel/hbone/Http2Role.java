package io.ztunnel.hbone;

import io.netty.handler.codec.http2.Http2Headers;

/** What a client and a server do differently on a connection. Called on its event loop. */
sealed interface Http2Role permits ClientConnection, ServerConnection {
  HboneObserver.Role side();

  /** Writes what opens the connection: the preface, if any, and SETTINGS (RFC 9113, 3.4). */
  void sendPreface(FrameWriter writer, HboneSettings settings);

  /** The preface is on its way; streams may be opened. */
  void onStarted(Http2Connection connection);

  /** What the peer must send before its first frame; empty for a server's peer. */
  byte[] expectedPreface();

  /** The largest list of fields that is accepted, in bytes (RFC 9113, 6.5.2). */
  int maxHeaderListBytes();

  /** Whether the peer may open the stream of this id, were it new. */
  boolean isPeerStream(int streamId);

  /** The highest id of the streams that we opened. */
  int lastOwnStreamId();

  /** The peer opens a stream; its id is the highest so far. */
  void onRequest(int streamId, Http2Headers headers, boolean endStream) throws ConnectionError;

  /** The peer's first SETTINGS, or other ones, have arrived. */
  void onPeerSettings();

  /** The peer goes away; the streams of ours above the last one are not processed. */
  void onGoAway(int lastStreamId, long errorCode, String debug);

  /** Nothing can be sent any more; the connection ends with what there is to read. */
  void onOutputLost();

  /** An answer to a PING that is not one of the keep-alive. */
  void onPong(long payload);

  /** A PING of the keep-alive was answered after so long. */
  void onRoundTrip(long nanos);

  /** A stream was closed: there may be room for another, or none may be left. */
  void onStreamGone();

  void onKeepAliveTimeout(Http2Connection connection);

  /** The peer did not send its SETTINGS in time; the connection ends next. */
  void onHandshakeTimeout();

  /** The tunnel under the connection has ended; the connection ends next. */
  default void onOuterEnded(OuterTunnelEndedException end) {}

  /** The connection is over, and all streams were told. Called once, if it was started. */
  void onEnded(String reason);
}
