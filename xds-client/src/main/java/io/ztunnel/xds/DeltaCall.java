package io.ztunnel.xds;

import io.grpc.Status;
import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.netty.handler.codec.http2.DefaultHttp2DataFrame;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.DefaultHttp2HeadersFrame;
import io.netty.handler.codec.http2.DefaultHttp2PingFrame;
import io.netty.handler.codec.http2.DefaultHttp2ResetFrame;
import io.netty.handler.codec.http2.DefaultHttp2WindowUpdateFrame;
import io.netty.handler.codec.http2.Http2DataFrame;
import io.netty.handler.codec.http2.Http2Error;
import io.netty.handler.codec.http2.Http2FrameCodecBuilder;
import io.netty.handler.codec.http2.Http2GoAwayFrame;
import io.netty.handler.codec.http2.Http2Headers;
import io.netty.handler.codec.http2.Http2HeadersFrame;
import io.netty.handler.codec.http2.Http2MultiplexHandler;
import io.netty.handler.codec.http2.Http2PingFrame;
import io.netty.handler.codec.http2.Http2ResetFrame;
import io.netty.handler.codec.http2.Http2Settings;
import io.netty.handler.codec.http2.Http2StreamChannel;
import io.netty.handler.codec.http2.Http2StreamChannelBootstrap;
import io.netty.handler.ssl.ApplicationProtocolNames;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslHandler;
import io.netty.handler.ssl.SslHandshakeCompletionEvent;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.ReferenceCounted;
import io.ztunnel.xds.proto.DeltaDiscoveryRequest;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The call of delta ADS, on an HTTP/2 connection of its own. Unlike gRPC's own client it hands over
 * the bytes of a response while they come, so that a mesh of 100 MB is never held as a whole.
 *
 * <p>Requests are sent and the call is ended from any thread; its state is confined to its event
 * loop; the listener is called on the executor.
 *
 * <p>Source: gRPC over HTTP/2; the connection is as {@link ControlPlaneChannels} has it.
 */
final class DeltaCall {
  /** What comes of a call. Called one after the other, on the executor. */
  interface Listener {
    /** The control plane has taken the call. */
    void onHeaders();

    /** Bytes of responses; whoever is told releases them. More come after {@link #request} only. */
    void onBytes(List<ByteBuf> bytes);

    /** The end; told once, and the last. */
    void onClose(Status status);
  }

  /** What a connection needs. Immutable. */
  record Setting(
      ControlPlane controlPlane,
      Bootstrap bootstrap,
      SslContext tls,
      EventLoop loop,
      Executor blocking,
      Executor executor) {}

  private static final String PATH =
      "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

  /** How much may be on its way; what waits in memory is twice that at most. */
  private static final int WINDOW_BYTES = 1 << 20;

  /** RFC 9113, 6.9.2: every connection begins with it. */
  private static final int FIRST_WINDOW_BYTES = 65_535;

  private static final int PREFIX_BYTES = 5;
  private static final int PING_SECONDS = 30;
  private static final int PING_TIMEOUT_SECONDS = 10;

  private final Setting setting;
  private final Listener listener;

  /** Gives back what the connection used. */
  private final Runnable release;

  /** Written by the loop, read by any thread. */
  private volatile boolean connected;

  // Confined to the loop.
  private final Queue<byte[]> unsent = new ArrayDeque<>();
  private List<InetAddress> addresses = List.of();
  private int attempts;
  private @Nullable Channel connection;
  private @Nullable Http2StreamChannel stream;
  private @Nullable Future<?> ping;
  private @Nullable Future<?> pingLimit;
  private String goingAway = "";
  private boolean ended;

  DeltaCall(Setting setting, Listener listener, Runnable release) {
    this.setting = setting;
    this.listener = listener;
    this.release = release;
  }

  /** Connects and begins the call. Once only. May read a file. */
  void start() {
    Http2Headers headers;
    try {
      headers = headers(setting.controlPlane());
    } catch (IOException | RuntimeException e) {
      Status status = Status.UNAUTHENTICATED.withDescription(e.toString()).withCause(e);
      execute(() -> end(status));
      return;
    }
    setting.blocking().execute(() -> resolve(headers));
  }

  private static Http2Headers headers(ControlPlane controlPlane) throws IOException {
    Http2Headers headers =
        new DefaultHttp2Headers()
            .method("POST")
            .scheme("https")
            .path(PATH)
            .authority(controlPlane.uri().getHost() + ":" + controlPlane.port())
            .set("te", "trailers")
            .set("content-type", "application/grpc")
            .set("user-agent", "ztunnel");
    for (Map.Entry<String, String> field :
        controlPlane.metadata(controlPlane.token().read()).entrySet()) {
      headers.set(field.getKey().toLowerCase(Locale.ROOT), field.getValue());
    }
    return headers;
  }

  /** Whether there is a connection. Any thread. */
  boolean isConnected() {
    return connected;
  }

  /** Sends a request, as soon as there is a stream. Any thread. */
  void send(DeltaDiscoveryRequest request) {
    byte[] message = request.toByteArray();
    execute(
        () -> {
          if (stream == null) {
            unsent.add(message);
          } else {
            write(stream, message);
          }
        });
  }

  /** Takes more bytes. Any thread. */
  void request() {
    execute(
        () -> {
          if (stream != null) {
            stream.read();
          }
        });
  }

  /** Ends the call from our side. Any thread. */
  void cancel(String reason) {
    execute(
        () -> {
          if (stream != null) {
            stream.writeAndFlush(new DefaultHttp2ResetFrame(Http2Error.CANCEL));
          }
          end(Status.CANCELLED.withDescription(reason));
        });
  }

  private void execute(Runnable task) {
    try {
      setting.loop().execute(task);
    } catch (RejectedExecutionException _) {
      // The loop has ended, and with it everything else.
    }
  }

  private void tell(Runnable news) {
    try {
      setting.executor().execute(news);
    } catch (RejectedExecutionException _) {
      // Nobody is left who would want to know.
    }
  }

  /** Looks up the host, on a thread that may block. */
  private void resolve(Http2Headers headers) {
    String host = setting.controlPlane().host();
    try {
      List<InetAddress> found = List.of(InetAddress.getAllByName(host));
      execute(
          () -> {
            addresses = found;
            connect(headers, Status.UNAVAILABLE);
          });
    } catch (UnknownHostException e) {
      Status status =
          Status.UNAVAILABLE.withDescription("Unable to resolve host " + host).withCause(e);
      execute(() -> end(status));
    }
  }

  /**
   * Tries the next address.
   *
   * @param last what became of the one before
   */
  private void connect(Http2Headers headers, Status last) {
    if (ended) {
      return;
    }
    if (attempts == addresses.size()) {
      end(last);
      return;
    }
    InetAddress address = addresses.get(attempts++);
    ChannelFuture connecting =
        setting
            .bootstrap()
            .clone(setting.loop())
            .handler(
                new ChannelInitializer<>() {
                  @Override
                  protected void initChannel(Channel channel) {
                    initialize(channel, headers);
                  }
                })
            .connect(new InetSocketAddress(address, setting.controlPlane().port()));
    connection = connecting.channel();
    connecting.addListener(
        done -> {
          if (!done.isSuccess()) {
            connect(headers, failed("cannot connect to " + address, done.cause()));
          }
        });
  }

  private static Status failed(String what, @Nullable Throwable cause) {
    return Status.UNAVAILABLE.withDescription(what).withCause(cause);
  }

  private void initialize(Channel channel, Http2Headers headers) {
    SslHandler tls =
        setting
            .tls()
            .newHandler(
                channel.alloc(), setting.controlPlane().host(), setting.controlPlane().port());
    channel
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
            new ConnectionHandler(tls, headers));
  }

  private void open(Channel on, Http2Headers headers) {
    if (ended) {
      return;
    }
    connected = true;
    on.write(new DefaultHttp2WindowUpdateFrame(WINDOW_BYTES - FIRST_WINDOW_BYTES));
    ping =
        setting
            .loop()
            .scheduleAtFixedRate(() -> ping(on), PING_SECONDS, PING_SECONDS, TimeUnit.SECONDS);
    new Http2StreamChannelBootstrap(on)
        .option(ChannelOption.AUTO_READ, false)
        .handler(new StreamHandler())
        .open()
        .addListener(
            opened -> {
              if (opened.isSuccess()) {
                begin((Http2StreamChannel) opened.getNow(), headers);
              } else {
                end(failed("no stream" + goingAway, opened.cause()));
              }
            });
  }

  private void begin(Http2StreamChannel opened, Http2Headers headers) {
    if (ended) {
      opened.close();
      return;
    }
    stream = opened;
    opened.write(new DefaultHttp2HeadersFrame(headers));
    unsent.forEach(message -> write(opened, message));
    unsent.clear();
    opened.flush();
    opened.read();
  }

  private static void write(Channel stream, byte[] message) {
    ByteBuf framed = stream.alloc().buffer(PREFIX_BYTES + message.length);
    framed.writeByte(0).writeInt(message.length).writeBytes(message); // 0: not compressed
    stream.writeAndFlush(new DefaultHttp2DataFrame(framed));
  }

  private void ping(Channel on) {
    if (pingLimit == null) {
      on.writeAndFlush(new DefaultHttp2PingFrame(System.nanoTime()));
      pingLimit =
          setting
              .loop()
              .schedule(
                  () ->
                      end(
                          Status.UNAVAILABLE.withDescription(
                              "no answer to a PING within " + PING_TIMEOUT_SECONDS + " s")),
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

  /** Ends the call and its connection; only the first end counts. */
  private void end(Status status) {
    if (ended) {
      return;
    }
    ended = true;
    connected = false;
    unsent.clear();
    if (ping != null) {
      ping.cancel(false);
    }
    onPong();
    if (connection == null) {
      release.run();
    } else {
      connection.close().addListener(_ -> release.run());
    }
    tell(() -> listener.onClose(status));
  }

  private Status closed() {
    return Status.UNAVAILABLE.withDescription("the connection was closed" + goingAway);
  }

  /** What concerns the whole connection. */
  private final class ConnectionHandler extends ChannelInboundHandlerAdapter {
    private final SslHandler tls;
    private final Http2Headers headers;

    ConnectionHandler(SslHandler tls, Http2Headers headers) {
      this.tls = tls;
      this.headers = headers;
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext ctx, Object event) throws Exception {
      if (event instanceof SslHandshakeCompletionEvent handshake) {
        if (!handshake.isSuccess()) {
          retry(ctx, failed("TLS handshake", handshake.cause()));
        } else if (!ApplicationProtocolNames.HTTP_2.equals(tls.applicationProtocol())) {
          retry(ctx, failed("no HTTP/2 (found: %s)".formatted(tls.applicationProtocol()), null));
        } else {
          open(ctx.channel(), headers);
        }
      }
      super.userEventTriggered(ctx, event);
    }

    /** With the next address, if there is one. */
    private void retry(ChannelHandlerContext ctx, Status status) {
      ctx.close();
      connect(headers, status);
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
      if (ctx.channel().equals(connection) && connected) {
        end(closed());
      }
      super.channelInactive(ctx);
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
      if (connected) {
        end(failed("the connection is broken" + goingAway, cause));
      } else {
        retry(ctx, failed("the connection is broken", cause));
      }
    }
  }

  /** What concerns the call. */
  private final class StreamHandler extends ChannelInboundHandlerAdapter {
    private List<ByteBuf> arrived = new ArrayList<>();
    private boolean answered;

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
      switch (message) {
        case Http2DataFrame data -> {
          arrived.add(data.content()); // its reference is ours now
          if (data.isEndStream()) {
            end(Status.UNKNOWN.withDescription("an end without grpc-status"));
          }
        }
        case Http2HeadersFrame frame -> onHeaders(frame);
        case ReferenceCounted other -> other.release();
        default -> {} // of no concern to a call
      }
    }

    private void onHeaders(Http2HeadersFrame frame) {
      if (frame.isEndStream()) {
        handOver();
        end(CallStatus.ofTrailers(frame.headers()));
        return;
      }
      Status status = CallStatus.ofHeaders(frame.headers());
      if (!status.isOk()) {
        end(status);
      } else if (!answered) {
        answered = true;
        tell(listener::onHeaders);
      }
    }

    @Override
    public void channelReadComplete(ChannelHandlerContext ctx) {
      if (!handOver() && !ended) {
        ctx.read(); // headers only, so far
      }
    }

    private boolean handOver() {
      if (arrived.isEmpty()) {
        return false;
      }
      List<ByteBuf> bytes = arrived;
      arrived = new ArrayList<>();
      try {
        setting.executor().execute(() -> listener.onBytes(bytes));
      } catch (RejectedExecutionException _) {
        bytes.forEach(ByteBuf::release);
      }
      return true;
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext ctx, Object event) throws Exception {
      if (event instanceof Http2ResetFrame reset) {
        end(CallStatus.ofReset(reset.errorCode()));
      }
      super.userEventTriggered(ctx, event);
    }

    @Override
    public void channelInactive(ChannelHandlerContext ctx) throws Exception {
      arrived.forEach(ByteBuf::release);
      arrived.clear();
      end(closed());
      super.channelInactive(ctx);
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
      end(failed("the stream is broken", cause));
    }
  }
}
