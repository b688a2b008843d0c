package io.ztunnel.admin;

import io.netty.channel.ChannelFactory;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.ServerChannel;
import io.netty.util.concurrent.Future;
import java.net.InetSocketAddress;
import java.util.List;

/** For the operator on the node: state, log levels, shutdown. Listens on loopback only. */
public final class AdminServer {
  private final HttpServer server;

  /** A server on these loops; it does not own them. */
  public AdminServer(
      AdminPages pages, EventLoopGroup loops, ChannelFactory<? extends ServerChannel> transport) {
    this.server = new HttpServer("admin", pages::answer, loops, transport);
  }

  /** Binds; waits for the system, so not on an event loop. Returns the addresses bound. */
  public List<InetSocketAddress> start(List<InetSocketAddress> addresses)
      throws BindFailedException {
    return server.start(addresses);
  }

  /** Goes on answering, but no connection is kept after the answers that it is owed. */
  public void leaveConnections() {
    server.leaveConnections();
  }

  /** Accepts no more and finishes what is in flight. */
  public Future<Void> drain() {
    return server.drain();
  }
}
