package io.ztunnel.hbone;

/** A tunnel that was asked for. Confined to the pool's event loop. */
public sealed interface PendingTunnel permits TunnelRequest {
  /**
   * The application went away: nothing is called any more, and a CONNECT that was sent is reset.
   * Does nothing after the {@link TunnelOpening} was called.
   */
  void cancel();
}
