package io.ztunnel.hbone;

import org.jspecify.annotations.Nullable;

/** What comes of asking the pool for a tunnel. Exactly one method is called, on the pool's loop. */
public interface TunnelOpening {
  /**
   * The peer answered 200.
   *
   * @param tunnel the open tunnel
   * @param peer the peer's certificate
   * @param baggage all {@code baggage} lines of the answer joined with commas, or null
   * @return the receiver of what arrives
   */
  TunnelListener onOpened(Tunnel tunnel, TlsPeer peer, @Nullable String baggage);

  /** There is no tunnel, and no byte of the application has left. */
  void onFailed(HboneFailure failure);
}
