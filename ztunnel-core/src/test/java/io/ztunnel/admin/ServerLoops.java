package io.ztunnel.admin;

import io.netty.channel.ChannelFactory;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.ServerChannel;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.ztunnel.redirection.EventLoops;
import io.ztunnel.redirection.Transport;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** One event loop for the servers of a test class. */
final class ServerLoops implements AfterAllCallback {
  final EventLoopGroup group = new EventLoops(Transport.EPOLL, 1);
  final ChannelFactory<ServerChannel> transport = EpollServerSocketChannel::new;

  /** Any free port on loopback. */
  static List<InetSocketAddress> anyPort() {
    return List.of(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
  }

  @Override
  public void afterAll(ExtensionContext context) {
    group.shutdownGracefully(0, 5, TimeUnit.SECONDS).awaitUninterruptibly(10, TimeUnit.SECONDS);
  }
}
