package io.ztunnel.hbone;

import java.net.InetSocketAddress;
import java.util.List;

/**
 * Why a tunnel could not be opened. In every case no application byte has left. Each has a text for
 * the log; nothing here is meant for the peer.
 */
public sealed interface HboneFailure {
  /** What happened, in one line. */
  String message();

  /** TCP could not be established; the cause's message is the system's. */
  record ConnectFailed(InetSocketAddress address, String message, boolean timedOut)
      implements HboneFailure {}

  /** TLS failed before or at the certificate check. */
  record TlsFailed(InetSocketAddress address, String message) implements HboneFailure {}

  /** The peer's certificate is valid, but none of its identities is one of the expected. */
  record WrongPeer(InetSocketAddress address, List<String> expected, List<String> presented)
      implements HboneFailure {
    @Override
    public String message() {
      return "identity verification error: peer did not present the expected SAN ("
          + String.join(",", expected)
          + "), got "
          + String.join(",", presented);
    }
  }

  /** The client's certificate is valid, but none of its identities is of our trust domain. */
  record WrongTrustDomain(InetSocketAddress address, String expected, List<String> presented)
      implements HboneFailure {
    public WrongTrustDomain {
      presented = List.copyOf(presented);
    }

    @Override
    public String message() {
      return WrongTrustDomainException.message(expected, presented);
    }
  }

  /**
   * A certificate of the peer's chain is revoked.
   *
   * @param certificate which one, in words
   */
  record PeerRevoked(InetSocketAddress address, String certificate) implements HboneFailure {
    @Override
    public String message() {
      return RevokedPeerException.message(certificate);
    }
  }

  /** TLS or HTTP/2 setup took too long. */
  record HandshakeTimedOut(InetSocketAddress address, String message) implements HboneFailure {}

  /** The peer said GOAWAY and does not process the request. */
  record WentAway(long errorCode, String debug) implements HboneFailure {
    @Override
    public String message() {
      return Http2Words.goAway(errorCode, debug);
    }
  }

  /** The HTTP/2 connection broke: protocol error, lost before the answer. */
  record Http2Failed(String message) implements HboneFailure {}

  /** The stream was reset before an answer. */
  record StreamReset(long errorCode) implements HboneFailure {
    @Override
    public String message() {
      return Http2Words.reset(errorCode);
    }
  }

  /** The CONNECT was answered, but not by 200. */
  record Rejected(int status, String message) implements HboneFailure {}

  /** No answer to the CONNECT in time. */
  record AnswerTimedOut(String message) implements HboneFailure {}

  /** There is no certificate to show. */
  record IdentityUnavailable(String message) implements HboneFailure {}

  /**
   * The tunnel to a gateway, in which the tunnel that was asked for is to run, was not opened, or
   * has ended before the answer from within it.
   */
  record OuterFailed(HboneFailure cause) implements HboneFailure {
    @Override
    public String message() {
      return cause.message();
    }
  }

  /**
   * The process has as many connections within tunnels to gateways as it may have, and all of them
   * carry something.
   */
  record InnerLimitReached(int max) implements HboneFailure {
    @Override
    public String message() {
      return "all " + max + " inner connections that the process may have are in use";
    }
  }

  /** The pool is closed. */
  record PoolClosed() implements HboneFailure {
    @Override
    public String message() {
      return "pool draining";
    }
  }
}
