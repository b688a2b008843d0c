package io.ztunnel.hbone;

import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;

/** How the pool reaches the network and its certificates. Implemented by the pool's owner. */
public interface Connector {
  /**
   * Opens a TCP connection to the peer, registered with this loop, with the handler in its pipeline
   * before the channel becomes active. Bounded in time by the implementor; a failure's exception is
   * the socket's.
   */
  Future<Channel> connect(EventLoop loop, PeerKey key, ChannelHandler handler);

  /**
   * The TLS side of the source identity, now or once its certificate is there; bounded in time by
   * the implementor; a failure's message tells why there is none. Completed on the given loop.
   */
  Future<ClientTls> tls(EventLoop loop, PeerKey key);
}
