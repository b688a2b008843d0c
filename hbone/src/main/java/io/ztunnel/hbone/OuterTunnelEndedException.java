package io.ztunnel.hbone;

import java.io.IOException;
import java.net.InetSocketAddress;

/** The tunnel under a connection is over. Has no stack trace, because it tells about the peer. */
final class OuterTunnelEndedException extends IOException {
  private static final long serialVersionUID = 1;

  private final transient TunnelTermination termination;

  OuterTunnelEndedException(TunnelTermination termination) {
    super("outer tunnel ended: " + termination.message());
    this.termination = termination;
  }

  /** Whether the tunnel alone was ended, and its connection goes on. */
  boolean isOfTunnelAlone() {
    return termination instanceof TunnelTermination.Reset
        || termination instanceof TunnelTermination.ReaderTooSlow;
  }

  /** What it means for the tunnels of the connection: they are lost with it. */
  TunnelTermination asLoss() {
    return switch (termination) {
      case TunnelTermination.PeerRevoked revoked -> revoked;
      case TunnelTermination.Reset _,
          TunnelTermination.ConnectionLost _,
          TunnelTermination.PeerClosed _,
          TunnelTermination.ReaderTooSlow _,
          TunnelTermination.GoAway _ ->
          new TunnelTermination.ConnectionLost(String.valueOf(getMessage()));
    };
  }

  /** What it means for a handshake, or a CONNECT without an answer, in the tunnel. */
  HboneFailure asFailure(InetSocketAddress gateway) {
    return new HboneFailure.OuterFailed(
        switch (termination) {
          case TunnelTermination.Reset(long code) -> new HboneFailure.StreamReset(code);
          case TunnelTermination.GoAway(long code, String debug) ->
              new HboneFailure.WentAway(code, debug);
          case TunnelTermination.PeerRevoked(String certificate) ->
              new HboneFailure.PeerRevoked(gateway, certificate);
          case TunnelTermination.ConnectionLost _,
              TunnelTermination.PeerClosed _,
              TunnelTermination.ReaderTooSlow _ ->
              new HboneFailure.Http2Failed(termination.message());
        });
  }

  @Override
  public synchronized Throwable fillInStackTrace() {
    return this;
  }
}
