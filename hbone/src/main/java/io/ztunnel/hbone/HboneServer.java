package io.ztunnel.hbone;

import io.netty.channel.Channel;
import io.netty.util.concurrent.Future;

/** Speaks the server's side of HBONE on accepted connections. */
public final class HboneServer {
  private HboneServer() {}

  /**
   * Takes over an accepted connection: TLS, then HTTP/2, then a call of the handler for each
   * request. Called on the channel's event loop.
   *
   * @param accepted active, registered, with auto-read off and nothing in its pipeline that decodes
   * @param tls the certificate to show, now or later; what the peer sends waits in the socket
   *     meanwhile. TLS and the HTTP/2 preface together must be done within {@link
   *     HboneSettings#handshakeTimeout}, counted from this call
   * @param handler is told everything; its {@link ConnectHandler#onClosed} is always called
   */
  public static HboneServerConnection serve(
      Channel accepted,
      Future<ServerTls> tls,
      HboneSettings settings,
      ConnectHandler handler,
      HboneObserver observer) {
    assert accepted.eventLoop().inEventLoop();
    ServerConnection connection = new ServerConnection(accepted, settings, handler, observer);
    connection.begin(tls);
    return connection;
  }
}
