package io.ztunnel.hbone;

/** Why a tunnel ended other than by END_STREAM on both halves. */
public sealed interface TunnelTermination {
  /** What happened, in the words of the log. */
  String message();

  /** The peer sent RST_STREAM with this code. */
  record Reset(long errorCode) implements TunnelTermination {
    @Override
    public String message() {
      return Http2Words.reset(errorCode);
    }
  }

  /**
   * The connection under the tunnel is gone: TCP closed or reset, PING unanswered, TLS or protocol
   * error, local force-close. The text says which.
   */
  record ConnectionLost(String reason) implements TunnelTermination {
    @Override
    public String message() {
      return reason;
    }
  }

  /**
   * The peer closed the connection under the tunnel in order, with the {@code close_notify} of TLS,
   * and had not ended the tunnel before. Envoy does so, instead of RST_STREAM, where its
   * connections are for one tunnel each.
   */
  record PeerClosed() implements TunnelTermination {
    @Override
    public String message() {
      return "TLS closed by peer";
    }
  }

  /** A certificate of the peer's chain was revoked, and its connection ended for that. */
  record PeerRevoked(String certificate) implements TunnelTermination {
    @Override
    public String message() {
      return RevokedPeerException.message(certificate);
    }
  }

  /**
   * The process holds all it can for slow readers, and this tunnel's is one: it was reset
   * (ENHANCE_YOUR_CALM).
   *
   * @param heldBytes what has arrived and was not read
   */
  record ReaderTooSlow(long heldBytes) implements TunnelTermination {
    @Override
    public String message() {
      return "too slow: %d bytes were not read, and slow readers have all the memory there is for them"
          .formatted(heldBytes);
    }
  }

  /** The peer said GOAWAY and does not process this stream. */
  record GoAway(long errorCode, String debug) implements TunnelTermination {
    @Override
    public String message() {
      return Http2Words.goAway(errorCode, debug);
    }
  }
}
