package io.ztunnel.proxy;

import io.netty.bootstrap.Bootstrap;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.epoll.EpollSocketChannel;
import io.ztunnel.hbone.HboneSettings;
import io.ztunnel.hbone.SocketReads;
import io.ztunnel.redirection.EventLoops;
import io.ztunnel.redirection.Transport;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * How long does a message take from one socket through a relay to another one, by its size?
 * Loopback sockets without TLS: system calls and wake-ups included. In the package of what it
 * measures, which is not public.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class RelayBenchmark {
  private static final int TIMEOUT_MILLIS = 10_000;

  @Param({"128", "65536"})
  int messageBytes;

  private byte[] message = {};
  private @Nullable EventLoopGroup loops;
  private @Nullable Socket client;
  private @Nullable Socket server;

  @Setup(Level.Trial)
  public void join() throws IOException, InterruptedException {
    message = new byte[messageBytes];
    EventLoopGroup group = new EventLoops(Transport.EPOLL, 1);
    loops = group;
    try (ServerSocket upstream = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      upstream.setSoTimeout(TIMEOUT_MILLIS);
      Channel listener = listen(group, (InetSocketAddress) upstream.getLocalSocketAddress());
      InetSocketAddress relayed = (InetSocketAddress) listener.localAddress();
      client = new Socket(relayed.getAddress(), relayed.getPort());
      client.setTcpNoDelay(true);
      server = upstream.accept();
      server.setSoTimeout(TIMEOUT_MILLIS);
    }
  }

  private static Channel listen(EventLoopGroup group, InetSocketAddress upstream)
      throws InterruptedException {
    return new ServerBootstrap()
        .group(group)
        .channel(EpollServerSocketChannel.class)
        .childOption(ChannelOption.ALLOCATOR, PooledByteBufAllocator.DEFAULT)
        .childOption(ChannelOption.RECVBUF_ALLOCATOR, SocketReads.ofPayload())
        .childOption(ChannelOption.TCP_NODELAY, true)
        .childOption(ChannelOption.AUTO_READ, false)
        .childOption(ChannelOption.ALLOW_HALF_CLOSURE, true)
        .childHandler(
            new ChannelInitializer<>() {
              @Override
              protected void initChannel(Channel accepted) {
                relay(accepted, upstream);
              }
            })
        .bind(InetAddress.getLoopbackAddress(), 0)
        .sync()
        .channel();
  }

  private static void relay(Channel accepted, InetSocketAddress upstream) {
    TcpLeg downstreamLeg = new TcpLeg(accepted);
    accepted.pipeline().addLast(downstreamLeg.handler());
    ChannelFuture dial =
        new Bootstrap()
            .group(accepted.eventLoop())
            .channel(EpollSocketChannel.class)
            .option(ChannelOption.ALLOCATOR, PooledByteBufAllocator.DEFAULT)
            .option(ChannelOption.RECVBUF_ALLOCATOR, SocketReads.ofPayload())
            .option(ChannelOption.TCP_NODELAY, true)
            .option(ChannelOption.AUTO_READ, false)
            .option(ChannelOption.ALLOW_HALF_CLOSURE, true)
            .handler(
                new ChannelInitializer<>() {
                  @Override
                  protected void initChannel(Channel channel) {
                    // Its leg follows when it is connected, on the same loop.
                  }
                })
            .connect(upstream);
    dial.addListener(
        done -> {
          if (!done.isSuccess()) {
            accepted.close();
            return;
          }
          TcpLeg upstreamLeg = new TcpLeg(dial.channel());
          dial.channel().pipeline().addLast(upstreamLeg.handler());
          Relay.outbound(
                  accepted.eventLoop(),
                  downstreamLeg,
                  upstreamLeg,
                  new RelayLimits(
                      HalfClosedProbing.within(Duration.ofMinutes(1)),
                      HboneSettings.defaults().heldBytes()),
                  new Uncounted())
              .start();
        });
  }

  @TearDown(Level.Trial)
  public void end() throws IOException {
    open(client).close();
    open(server).close();
    if (loops != null) {
      loops.shutdownGracefully(0, 5, TimeUnit.SECONDS).awaitUninterruptibly();
    }
  }

  /** The next message is not sent before this one has arrived. */
  @Benchmark
  public int oneWay() throws IOException {
    open(client).getOutputStream().write(message);
    return open(server).getInputStream().readNBytes(message, 0, messageBytes);
  }

  private static Socket open(@Nullable Socket socket) {
    if (socket == null) {
      throw new IllegalStateException("not connected");
    }
    return socket;
  }

  /** Counts nothing. */
  private static final class Uncounted implements Relay.Observer {
    @Override
    public void onReceived(int bytes) {}

    @Override
    public void onSent(int bytes) {}

    @Override
    public void onEnd(RelayEnd end) {}
  }
}
