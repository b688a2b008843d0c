package io.ztunnel.proxy;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.ztunnel.hbone.SocketReads;
import io.ztunnel.redirection.Transport;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** An application's socket, and the leg of the proxy that holds the other end of the connection. */
record TcpPair(Socket app, TcpLeg leg) implements AutoCloseable {
  /** Connects over loopback; the leg lives on this loop. */
  static TcpPair open(EventLoop loop) throws Exception {
    return open(loop, Transport.EPOLL);
  }

  /** As above, on a loop of this transport. */
  static TcpPair open(EventLoop loop, Transport transport) throws Exception {
    BlockingQueue<TcpLeg> accepted = new LinkedBlockingQueue<>();
    Channel listener =
        new ServerBootstrap()
            .group(loop)
            .channel(transport.serverChannelClass())
            .childOption(ChannelOption.AUTO_READ, false)
            .childOption(ChannelOption.ALLOW_HALF_CLOSURE, true)
            .childOption(ChannelOption.RECVBUF_ALLOCATOR, SocketReads.ofPayload())
            .childHandler(
                new ChannelInitializer<>() {
                  @Override
                  protected void initChannel(Channel channel) {
                    TcpLeg leg = new TcpLeg(channel);
                    channel.pipeline().addLast(leg.handler());
                    accepted.add(leg);
                  }
                })
            .bind(InetAddress.getLoopbackAddress(), 0)
            .sync()
            .channel();
    Socket app = new Socket();
    app.setSoTimeout(10_000);
    app.connect((InetSocketAddress) listener.localAddress(), 5_000);
    TcpLeg leg = accepted.poll(5, TimeUnit.SECONDS);
    listener.close().sync();
    if (leg == null) {
      throw new IOException("no connection was accepted");
    }
    return new TcpPair(app, leg);
  }

  /** Sends a reset instead of a FIN. */
  void resetApp() throws IOException {
    app.setSoLinger(true, 0);
    app.close();
  }

  /** What the application sees at the end of its stream: "end" or "reset". */
  String appSees() throws IOException {
    try {
      while (app.getInputStream().read() >= 0) {
        // Only the end is of interest.
      }
      return "end";
    } catch (SocketException e) {
      return "reset";
    }
  }

  @Override
  public void close() throws IOException {
    app.close();
    leg.channel().close().syncUninterruptibly();
  }
}
