package io.ztunnel.hbone;

/** A tunnel that was asked for. Confined to the pool's event loop. */
public sealed interface PendingTunnel permits TunnelRequest {
  /**
   * The application went away: nothing is called any more, and a CONNECT that was sent is reset.
   * Does nothing after the {@link TunnelOpening} was called.
   */
  void cancel();

  /** How far it has come. Of no meaning after the {@link TunnelOpening} was called. */
  TunnelProgress progress();

  /**
   * Asks who was dialled, the peer or the gateway, for a sign of life, if there is a connection:
   * {@link #progress} is {@link TunnelProgress#SILENT} when none comes before long.
   */
  void probe();
}
