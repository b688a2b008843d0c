package io.ztunnel.hbone;

/** What the owner of a server does about one accepted connection. Called on its event loop. */
public interface ConnectHandler {
  /**
   * The TLS handshake is done and the peer is who it says. Called at most once, before any CONNECT.
   */
  void onEstablished(TlsPeer peer);

  /**
   * A request arrived. Answer it with {@link InboundConnect#accept} or {@link
   * InboundConnect#reject}, now or later.
   */
  void onConnect(InboundConnect connect);

  /**
   * The connection ended before it could carry a request, and not by its owner's will: TLS failed,
   * or HTTP/2 did not begin (then after {@link #onEstablished}), was too slow, or the peer left.
   * {@link #onClosed} still follows.
   */
  void onHandshakeFailed(HboneFailure failure);

  /** The connection is closed and every tunnel on it was told. The last call, always made. */
  void onClosed();
}
