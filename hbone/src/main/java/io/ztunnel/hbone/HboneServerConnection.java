package io.ztunnel.hbone;

/** One accepted connection, for its owner. Confined to the event loop of its channel. */
public sealed interface HboneServerConnection permits ServerConnection {
  /**
   * Lets the tunnels there are go on and takes no new ones: GOAWAY in two steps, streams that the
   * peer still opens are refused, and the connection closes with its last tunnel. Done twice, or
   * when the connection is over, it does nothing.
   */
  void drain();

  /**
   * Ends the connection, with GOAWAY, if the peer's certificate is revoked by now; its tunnels are
   * told so. To be called after {@link Revocations} has learnt of more.
   */
  void closeIfRevoked();

  /**
   * Ends the connection and its tunnels now, with GOAWAY. Does nothing when it is over.
   *
   * @param reason one line, for the tunnels' owners and the observer
   */
  void close(String reason);
}
