package io.ztunnel.xds;

import io.grpc.Status;
import io.netty.bootstrap.Bootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoop;
import io.netty.handler.codec.http2.DefaultHttp2PingFrame;
import io.netty.handler.codec.http2.DefaultHttp2WindowUpdateFrame;
import io.netty.handler.codec.http2.Http2FrameCodecBuilder;
import io.netty.handler.codec.http2.Http2GoAwayFrame;
import io.netty.handler.codec.http2.Http2MultiplexHandler;
import io.netty.handler.codec.http2.Http2PingFrame;
import io.netty.handler.codec.http2.Http2Settings;
import io.netty.handler.ssl.ApplicationProtocolNames;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslHandler;
import io.netty.handler.ssl.SslHandshakeCompletionEvent;
import io.netty.util.ReferenceCountUtil;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketException;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * An HTTP/2 connection to the control plane, of one call: the addresses of its host in turn, from
 * where the last one gave up, TLS, and PING while it is open. Confined to its event loop, but for
 * what says otherwise.
 *
 * <p>Source: {@link ControlPlaneChannels} says how it is set up.
 */
final class ControlPlaneConnection {
  /** Whoever uses the connection. Called on the loop. */
  interface Owner {
    /** Streams can be opened. */
    void onOpen(Channel connection);

    /** There is no connection, or not any more. May be told after {@link #close}, and twice. */
    void onLost(Status status);
  }

  /** Looks up a host. Called on a thread that may block. */
  @FunctionalInterface
  interface Resolver {
    List<InetAddress> resolve(String host) throws UnknownHostException;
  }

  /** What a connection needs. Immutable. */
  record Setting(
      ControlPlane controlPlane,
      Bootstrap bootstrap,
      SslContext tls,
      EventLoop loop,
      Executor blocking,
      Resolver resolver) {}

  /** How much may be on its way, of the connection and of its stream. */
  private static final int WINDOW_BYTES = 1 << 20;

  /** RFC 9113, 6.9.2: every connection begins with it. */
  private static final int FIRST_WINDOW_BYTES = 65_535;

  /** Of a connection that the other side has ended, whether in order or not. */
  static final String WAS_CLOSED = "the connection was closed";

  private static final int PING_SECONDS = 30;
  private static final int PING_TIMEOUT_SECONDS = 10;

  private final Setting setting;
  private final AddressTurn turn;
  private final Owner owner;

  /** Gives back what the connection used. */
  private final Runnable release;

  /** Written by the loop, read by any thread. */
  private volatile boolean open;

  /** Those not tried yet. */
  private final Deque<InetAddress> addresses = new ArrayDeque<>();

  /** Where there is no connection yet. */
  private @Nullable InetAddress trying;

  private @Nullable Channel channel;
  private @Nullable Future<?> ping;
  private @Nullable Future<?> pingLimit;
  private String goingAway = "";
  private boolean closed;

  ControlPlaneConnection(Setting setting, AddressTurn turn, Owner owner, Runnable release) {
    this.setting = setting;
    this.turn = turn;
    this.owner = owner;
    this.release = release;
  }

  static Status failed(String what, @Nullable Throwable cause) {
    return Status.UNAVAILABLE.withDescription(what).withCause(cause);
  }

  /** Connects. Once only; any thread. */
  void open() {
    setting.blocking().execute(this::resolve);
  }

  /** Whether there is a connection. Any thread. */
  boolean isOpen() {
    return open;
  }

  /** What to say of its end: that the other side had told of it, if so. */
  String goingAway() {
    return goingAway;
  }

  /**
   * Runs a task on the loop. Any thread.
   *
   * @return false: never, because the loop has ended, and with it everything else
   */
  boolean execute(Runnable task) {
    try {
      setting.loop().execute(task);
      return true;
    } catch (RejectedExecutionException _) {
      return false;
    }
  }

  /** Ends it. May be called twice. */
  void close() {
    if (closed) {
      return;
    }
    closed = true;
    open = false;
    giveUpAddress();
    if (ping != null) {
      ping.cancel(false);
    }
    onPong();
    if (channel == null) {
      release.run();
    } else {
      channel.close().addListener(_ -> release.run());
    }
  }

  /** Looks up the host, on a thread that may block. */
  private void resolve() {
    String host = setting.controlPlane().host();
    try {
      List<InetAddress> found = setting.resolver().resolve(host);
      execute(
          () -> {
            addresses.addAll(turn.order(found));
            connect(Status.UNAVAILABLE);
          });
    } catch (UnknownHostException e) {
      execute(() -> owner.onLost(failed("Unable to resolve host " + host, e)));
    }
  }

  /**
   * Tries the next address.
   *
   * @param last what became of the one before
   */
  private void connect(Status last) {
    if (closed) {
      return;
    }
    giveUpAddress();
    InetAddress address = addresses.poll();
    if (address == null) {
      owner.onLost(last);
      return;
    }
    trying = address;
    ChannelFuture connecting =
        setting
            .bootstrap()
            .clone(setting.loop())
            .handler(
                new ChannelInitializer<>() {
                  @Override
                  protected void initChannel(Channel created) {
                    initialize(created);
                  }
                })
            .connect(new InetSocketAddress(address, setting.controlPlane().port()));
    channel = connecting.channel();
    connecting.addListener(
        done -> {
          if (!done.isSuccess()) {
            connect(failed("cannot connect to " + address, done.cause()));
          }
        });
  }

  /** Of the attempt that is under way, if there is one: nothing has come of it in its time. */
  private void giveUpAddress() {
    if (trying != null) {
      turn.failed(trying);
      trying = null;
    }
  }

  private void initialize(Channel created) {
    ControlPlane controlPlane = setting.controlPlane();
    SslHandler tls =
        setting.tls().newHandler(created.alloc(), controlPlane.serverName(), controlPlane.port());
    created
        .pipeline()
        .addLast(
            tls,
            Http2FrameCodecBuilder.forClient()
                .initialSettings(
                    Http2Settings.defaultSettings()
                        .pushEnabled(false)
                        .initialWindowSize(WINDOW_BYTES)
                        .maxHeaderListSize(ControlPlaneChannels.MAX_METADATA_BYTES))
                .build(),
            new Http2MultiplexHandler(new ChannelInboundHandlerAdapter()),
            new ConnectionHandler(tls));
  }

  private void onHandshake(Channel connected) {
    if (closed) {
      return;
    }
    open = true;
    trying = null;
    connected.write(new DefaultHttp2WindowUpdateFrame(WINDOW_BYTES - FIRST_WINDOW_BYTES));
    ping =
        setting
            .loop()
            .scheduleAtFixedRate(
                () -> ping(connected), PING_SECONDS, PING_SECONDS, TimeUnit.SECONDS);
    owner.onOpen(connected);
  }

  private void ping(Channel connected) {
    if (pingLimit == null) {
      connected.writeAndFlush(new DefaultHttp2PingFrame(0));
      pingLimit =
          setting
              .loop()
              .schedule(
                  () ->
                      owner.onLost(
                          failed("no answer to a PING in " + PING_TIMEOUT_SECONDS + " s", null)),
                  PING_TIMEOUT_SECONDS,
                  TimeUnit.SECONDS);
    }
  }

  private void onPong() {
    if (pingLimit != null) {
      pingLimit.cancel(false);
      pingLimit = null;
    }
  }

  private final class ConnectionHandler extends ChannelInboundHandlerAdapter {
    private final SslHandler tls;

    ConnectionHandler(SslHandler tls) {
      this.tls = tls;
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext ctx, Object event) throws Exception {
      if (event instanceof SslHandshakeCompletionEvent handshake) {
        if (!handshake.isSuccess()) {
          retry(ctx, failed("TLS handshake", handshake.cause()));
        } else if (!ApplicationProtocolNames.HTTP_2.equals(tls.applicationProtocol())) {
          retry(ctx, failed("no HTTP/2 (found: %s)".formatted(tls.applicationProtocol()), null));
        } else {
          onHandshake(ctx.channel());
        }
      }
      super.userEventTriggered(ctx, event);
    }

    /** With the next address, if there is one. */
    private void retry(ChannelHandlerContext ctx, Status status) {
      ctx.close();
      if (ctx.channel().equals(channel)) { // not twice for one
        connect(status);
      }
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
      try {
        switch (message) {
          case Http2PingFrame pong when pong.ack() -> onPong();
          case Http2GoAwayFrame goAway ->
              goingAway =
                  " after GOAWAY %d %s"
                      .formatted(
                          goAway.errorCode(), goAway.content().toString(StandardCharsets.UTF_8));
          default -> {} // settings, for the codec alone
        }
      } finally {
        ReferenceCountUtil.release(message);
      }
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) throws Exception {
      if (open) {
        owner.onLost(failed(WAS_CLOSED + goingAway, null));
      }
      super.channelInactive(ctx);
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
      if (open) {
        // A reset is how a connection ends whose other side had bytes left to read.
        boolean isReset = cause instanceof SocketException;
        owner.onLost(
            failed((isReset ? WAS_CLOSED : "the connection is broken") + goingAway, cause));
      } else {
        retry(ctx, failed("the connection is broken", cause));
      }
    }
  }
}
