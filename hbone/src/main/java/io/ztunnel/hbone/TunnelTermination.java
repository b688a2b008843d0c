package io.ztunnel.hbone;

/** Why a tunnel ended other than by END_STREAM on both halves. */
public sealed interface TunnelTermination {
  /** The peer sent RST_STREAM with this code. */
  record Reset(long errorCode) implements TunnelTermination {}

  /**
   * The connection under the tunnel is gone: TCP closed or reset, PING unanswered, TLS or protocol
   * error, local force-close. The text says which.
   */
  record ConnectionLost(String reason) implements TunnelTermination {}

  /** A certificate of the peer's chain was revoked, and its connection ended for that. */
  record PeerRevoked(String certificate) implements TunnelTermination {}

  /** The peer said GOAWAY and does not process this stream. */
  record GoAway(long errorCode, String debug) implements TunnelTermination {}
}
