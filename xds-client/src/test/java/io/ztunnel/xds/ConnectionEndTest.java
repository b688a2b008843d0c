package io.ztunnel.xds;

import static io.ztunnel.xds.FakeControlPlane.ADDRESS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Struct;
import io.grpc.Status;
import io.grpc.netty.GrpcSslContexts;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http2.DefaultHttp2GoAwayFrame;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.DefaultHttp2HeadersFrame;
import io.netty.handler.codec.http2.Http2DataFrame;
import io.netty.handler.codec.http2.Http2Error;
import io.netty.handler.codec.http2.Http2FrameCodecBuilder;
import io.netty.handler.codec.http2.Http2FrameStream;
import io.netty.handler.codec.http2.Http2SettingsAckFrame;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import io.netty.util.ReferenceCountUtil;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A control plane that takes the call and ends its connection, in one way or another. */
class ConnectionEndTest {
  private static final int ROUNDS = 300;

  private final ControlPlanePki pki = ControlPlanePki.create("root");
  private final RecordingXdsObserver observer = new RecordingXdsObserver();

  enum Warning {
    NONE,
    GOAWAY
  }

  enum Close {
    FIN,
    RESET
  }

  @ParameterizedTest(name = "{0}, then {1}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          GOAWAY | FIN   | the connection was closed after GOAWAY 0 max_age
          GOAWAY | RESET | the connection was closed after GOAWAY 0 max_age
          NONE   | FIN   | the connection was closed
          NONE   | RESET | the connection was closed: Connection reset
          """)
  void whatTheOtherSideHasEndedIsNoErrorAndTellsWhetherItWasAnnounced(
      Warning warning, Close close, String expected) throws Exception {
    EventLoopGroup loops = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
    try (ControlPlaneChannels channels = new ControlPlaneChannels()) {
      Channel server = serve(loops, new Ending(warning, close));
      try (XdsClient client = client(channels, server)) {
        client.start();
        Await.until("an end", () -> !observer.ends.isEmpty(), () -> observer.ends);
      }
    } finally {
      loops.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly(10_000);
    }
    assertTrue(observer.established.get() > 0, "the call was taken");
    StreamEnd end = observer.ends.getFirst().end();
    assertEquals(StreamEnd.Kind.RECONNECT, end.kind());
    String detail = end.detail().substring("UNAVAILABLE: ".length());
    assertEquals(
        expected, warning == Warning.GOAWAY ? detail.replace(": Connection reset", "") : detail);
  }

  /**
   * Many times, so that the loop is told to end in each part of its turn. With Netty's own, a
   * connection is left at about every fiftieth time.
   */
  @Test
  void noConnectionIsLeftOnceTheChannelsAreClosed() throws Exception {
    EventLoopGroup loops = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
    AtomicInteger open = new AtomicInteger();
    try {
      Channel server = serve(loops, () -> new Counting(open));
      for (int round = 0; round < ROUNDS; round++) {
        try (ControlPlaneChannels channels = new ControlPlaneChannels()) {
          DeltaCall call =
              channels.call(controlPlane(server), new AddressTurn(), Runnable::run, new Ignoring());
          call.start();
          Await.until("a connection", call::isConnected, open::get);
          for (int task = 0; task < round % 40; task++) {
            channels.giveWay();
          }
        }
        Await.until("no connection", () -> open.get() == 0, open::get);
      }
    } finally {
      loops.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly(10_000);
    }
  }

  private Channel serve(EventLoopGroup loops, Ending ending) throws Exception {
    return serve(loops, () -> new Answer(ending));
  }

  private Channel serve(EventLoopGroup loops, Supplier<ChannelHandler> handler) throws Exception {
    ControlPlanePki.ServerKey key = pki.server(List.of("localhost"));
    SslContext tls =
        GrpcSslContexts.configure(
                SslContextBuilder.forServer(key.key(), key.chain()), SslProvider.JDK)
            .build();
    return new ServerBootstrap()
        .group(loops)
        .channel(NioServerSocketChannel.class)
        .childHandler(
            new ChannelInitializer<>() {
              @Override
              protected void initChannel(Channel accepted) {
                accepted
                    .pipeline()
                    .addLast(
                        tls.newHandler(accepted.alloc()),
                        Http2FrameCodecBuilder.forServer().build(),
                        handler.get());
              }
            })
        .bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
        .sync()
        .channel();
  }

  private XdsClient client(ControlPlaneChannels channels, Channel server) {
    return new XdsClient(
        controlPlane(server),
        new XdsSettings(
            new XdsNode("ztunnel", Struct.getDefaultInstance()),
            List.of(new Subscription(ADDRESS, Subscription.Mode.WILDCARD, new RecordingWatcher())),
            Duration.ofSeconds(5),
            100),
        channels,
        observer,
        System::nanoTime,
        new SplittableRandom(7));
  }

  private ControlPlane controlPlane(Channel server) {
    return pki.localhost(((InetSocketAddress) server.localAddress()).getPort());
  }

  /** Counts the connections that are open. */
  private static final class Counting extends ChannelInboundHandlerAdapter {
    private final AtomicInteger open;

    Counting(AtomicInteger open) {
      this.open = open;
    }

    @Override
    public void channelActive(ChannelHandlerContext ctx) {
      open.incrementAndGet();
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
      ReferenceCountUtil.release(message);
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) {
      open.decrementAndGet();
    }
  }

  /** A caller that wants nothing. */
  private static final class Ignoring implements DeltaCall.Listener {
    @Override
    public void onOpen() {}

    @Override
    public void onHeaders() {}

    @Override
    public void onBytes(List<ByteBuf> bytes) {
      bytes.forEach(ByteBuf::release);
    }

    @Override
    public void onClose(Status status) {}
  }

  private record Ending(Warning warning, Close close) {}

  /** Takes the call, and ends its connection. */
  private static final class Answer extends ChannelInboundHandlerAdapter {
    private final Ending ending;
    private @Nullable Http2FrameStream stream;
    private boolean settled;

    Answer(Ending ending) {
      this.ending = ending;
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
      switch (message) {
        case Http2DataFrame request -> stream = request.stream();
        case Http2SettingsAckFrame _ -> settled = true;
        default -> {} // of no concern
      }
      ReferenceCountUtil.release(message);
      Http2FrameStream call = stream;
      if (call != null && settled) { // the client has nothing more to say
        stream = null;
        answer(ctx, call);
      }
    }

    private void answer(ChannelHandlerContext ctx, Http2FrameStream call) {
      DefaultHttp2Headers headers = new DefaultHttp2Headers();
      headers.status("200").set("content-type", "application/grpc");
      ChannelFuture written = ctx.write(new DefaultHttp2HeadersFrame(headers).stream(call));
      if (ending.warning == Warning.GOAWAY) {
        written =
            ctx.write(
                new DefaultHttp2GoAwayFrame(
                    Http2Error.NO_ERROR, Unpooled.copiedBuffer("max_age", StandardCharsets.UTF_8)));
      }
      written.addListener(_ -> end(ctx.channel()));
      ctx.flush();
    }

    private void end(Channel connection) {
      if (ending.close == Close.RESET) {
        connection.config().setOption(ChannelOption.SO_LINGER, 0);
      }
      connection.pipeline().firstContext().close(); // below TLS, which would say goodbye
    }
  }
}
