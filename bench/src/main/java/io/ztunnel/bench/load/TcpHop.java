package io.ztunnel.bench.load;

import io.netty.bootstrap.Bootstrap;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.channel.socket.DuplexChannel;
import java.net.InetSocketAddress;

/**
 * A plain TCP proxy with nothing but copying, to measure the daemons against: what one hop through
 * a Netty process costs.
 *
 * <p>The two channels of a connection are on one event loop, which alone touches them.
 */
public final class TcpHop {
  private TcpHop() {}

  /**
   * Runs until the process is ended.
   *
   * @param args pairs of a port to listen on and an {@code address:port} to connect to
   */
  public static void main(String... args) throws InterruptedException {
    if (args.length == 0 || args.length % 2 != 0) {
      throw new IllegalArgumentException(
          args.length + " arguments (expected: pairs of port and address:port)");
    }
    EventLoopGroup loops =
        new MultiThreadIoEventLoopGroup(
            Runtime.getRuntime().availableProcessors(), EpollIoHandler.newFactory());
    Channel last = null;
    for (int i = 0; i < args.length; i += 2) {
      String target = args[i + 1];
      int colon = target.lastIndexOf(':');
      InetSocketAddress backend =
          new InetSocketAddress(
              target.substring(0, colon), Integer.parseInt(target.substring(colon + 1)));
      last = listen(loops, Integer.parseInt(args[i]), backend);
    }
    System.out.println("ready");
    if (last != null) {
      last.closeFuture().sync();
    }
  }

  static Channel listen(EventLoopGroup loops, int port, InetSocketAddress backend)
      throws InterruptedException {
    return new ServerBootstrap()
        .group(loops)
        .channel(EpollServerSocketChannel.class)
        .childOption(ChannelOption.ALLOCATOR, PooledByteBufAllocator.DEFAULT)
        .childOption(ChannelOption.TCP_NODELAY, true)
        .childOption(ChannelOption.ALLOW_HALF_CLOSURE, true)
        .childOption(ChannelOption.AUTO_READ, false)
        .childHandler(
            new ChannelInitializer<>() {
              @Override
              protected void initChannel(Channel accepted) {
                connect(accepted, backend);
              }
            })
        .bind(port)
        .sync()
        .channel();
  }

  private static void connect(Channel accepted, InetSocketAddress backend) {
    ChannelFuture connecting =
        new Bootstrap()
            .group(accepted.eventLoop())
            .channel(EpollSocketChannel.class)
            .option(ChannelOption.ALLOCATOR, PooledByteBufAllocator.DEFAULT)
            .option(ChannelOption.TCP_NODELAY, true)
            .option(ChannelOption.ALLOW_HALF_CLOSURE, true)
            .option(ChannelOption.AUTO_READ, false)
            .handler(new CopyTo(accepted))
            .connect(backend);
    accepted.pipeline().addLast(new CopyTo(connecting.channel()));
    connecting.addListener(
        (ChannelFutureListener)
            done -> {
              if (done.isSuccess()) {
                accepted.config().setAutoRead(true);
                done.channel().config().setAutoRead(true);
              } else {
                accepted.close();
              }
            });
  }

  /** Copies what arrives to the peer, and reads only while the peer can take more. */
  private static final class CopyTo extends ChannelInboundHandlerAdapter {
    private final Channel peer;

    CopyTo(Channel peer) {
      this.peer = peer;
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
      peer.write(message, peer.voidPromise());
    }

    @Override
    public void channelReadComplete(ChannelHandlerContext ctx) {
      peer.flush();
    }

    @Override
    public void channelWritabilityChanged(ChannelHandlerContext ctx) {
      if (peer.isActive()) {
        peer.config().setAutoRead(ctx.channel().isWritable());
      }
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
      if (event == ChannelInputShutdownEvent.INSTANCE) {
        DuplexChannel other = (DuplexChannel) peer;
        afterPendingWrites(
            () -> {
              if (other.isInputShutdown()) {
                other.close();
              } else {
                other.shutdownOutput();
              }
            });
      }
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) {
      afterPendingWrites(peer::close);
    }

    private void afterPendingWrites(Runnable action) {
      peer.writeAndFlush(Unpooled.EMPTY_BUFFER).addListener(_ -> action.run());
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
      ctx.close();
    }
  }
}
