package io.ztunnel.hbone;

import java.net.InetSocketAddress;

/** Is told what happens on connections. Called on their event loops; must not block or throw. */
public interface HboneObserver {
  /** Hears nothing. */
  HboneObserver NONE = new HboneObserver() {};

  /** Which end of a connection is ours. */
  enum Role {
    CLIENT,
    SERVER
  }

  /** A connection finished its handshake. */
  default void onConnectionOpened(Role role) {}

  /** A connection that was opened is closed; the reason is one line. */
  default void onConnectionClosed(Role role, String reason) {}

  /** A tunnel was opened. */
  default void onTunnelOpened(Role role) {}

  /** A tunnel is over. */
  default void onTunnelClosed(Role role) {}

  /**
   * A peer's certificate is revoked: its handshake was refused, or its open connection is being
   * closed. Once for a connection.
   */
  default void onPeerRevoked(Role role) {}

  /**
   * A peer exceeded a limit that guards against floods; its connection is being closed.
   *
   * @param limit one of few names
   * @param detail the same for people, with what was found
   */
  default void onFlood(Role role, String limit, String detail) {}

  /** A peer has left a PING unanswered for too long; its connection is being closed. */
  default void onPingTimeout(Role role, InetSocketAddress peer) {}

  /** A peer whose connection is in the pool has answered a PING after so long. */
  default void onRoundTrip(PeerKey peer, long nanos) {}

  /**
   * A connection within a tunnel to a gateway can be used. When its peer says who it is, this is
   * told again, and then the end of what was told before.
   */
  default void onInnerOpened(PeerKey gateway, InnerBackend backend) {}

  /** That connection is over. */
  default void onInnerClosed(PeerKey gateway, InnerBackend backend) {}
}
