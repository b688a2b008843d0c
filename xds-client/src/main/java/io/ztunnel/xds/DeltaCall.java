package io.ztunnel.xds;

import io.grpc.Status;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelOption;
import io.netty.handler.codec.http2.DefaultHttp2DataFrame;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.DefaultHttp2HeadersFrame;
import io.netty.handler.codec.http2.DefaultHttp2ResetFrame;
import io.netty.handler.codec.http2.EmptyHttp2Headers;
import io.netty.handler.codec.http2.Http2DataFrame;
import io.netty.handler.codec.http2.Http2Error;
import io.netty.handler.codec.http2.Http2Headers;
import io.netty.handler.codec.http2.Http2HeadersFrame;
import io.netty.handler.codec.http2.Http2ResetFrame;
import io.netty.handler.codec.http2.Http2StreamChannel;
import io.netty.handler.codec.http2.Http2StreamChannelBootstrap;
import io.netty.util.ReferenceCounted;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import org.jspecify.annotations.Nullable;

/**
 * The call of delta ADS, on a connection of its own. Unlike gRPC's own client it hands over the
 * bytes of a response while they come, so that a mesh of 100 MB is never held as a whole.
 *
 * <p>Requests are sent and the call is ended from any thread; its state is confined to its event
 * loop; the listener is called on the executor.
 *
 * <p>Source: gRPC over HTTP/2.
 */
final class DeltaCall implements ControlPlaneConnection.Owner {
  /** What comes of a call. Called one after the other, on the executor. */
  interface Listener {
    /** There is a stream, and requests can be sent. Told once, unless the call ends before. */
    void onOpen();

    /** The control plane has taken the call. */
    void onHeaders();

    /** Bytes of responses; whoever is told releases them. More come after {@link #request} only. */
    void onBytes(List<ByteBuf> bytes);

    /** The end; told once, and the last. */
    void onClose(Status status);
  }

  private static final String PATH =
      "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

  private static final int PREFIX_BYTES = 5;

  /** So much is read of the connection while the listener is busy. */
  private static final int MAX_WAITING_BYTES = 256 << 10;

  private final ControlPlane controlPlane;
  private final ControlPlaneConnection connection;
  private final Executor executor;
  private final Listener listener;

  // Confined to the loop.
  private final StreamHandler handler = new StreamHandler();
  private Http2Headers headers = EmptyHttp2Headers.INSTANCE;
  private @Nullable Http2StreamChannel stream;
  private boolean ended;

  /**
   * A call, not yet begun.
   *
   * @param turn where the connection begins among the addresses of the host
   * @param executor calls the listener
   * @param release gives back what the connection used
   */
  DeltaCall(
      ControlPlaneConnection.Setting setting,
      AddressTurn turn,
      Executor executor,
      Listener listener,
      Runnable release) {
    this.controlPlane = setting.controlPlane();
    this.connection = new ControlPlaneConnection(setting, turn, this, release);
    this.executor = executor;
    this.listener = listener;
  }

  /** Connects and begins the call. Once only. May read a file. */
  void start() {
    try {
      Http2Headers own = headers(controlPlane);
      connection.execute(() -> headers = own);
    } catch (IOException | RuntimeException e) {
      Status status = Status.UNAUTHENTICATED.withDescription(e.toString()).withCause(e);
      connection.execute(() -> end(status));
      return;
    }
    connection.open();
  }

  private static Http2Headers headers(ControlPlane controlPlane) throws IOException {
    Http2Headers headers =
        new DefaultHttp2Headers()
            .method("POST")
            .scheme("https")
            .path(PATH)
            .authority(controlPlane.authority())
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
    return connection.isOpen();
  }

  /**
   * Sends a request, once there is a stream; a call that has ended sends nothing. Any thread.
   *
   * @param message is released
   */
  void send(ByteBuf message) {
    boolean taken =
        connection.execute(
            () -> {
              if (stream == null || ended) {
                message.release();
              } else {
                write(stream, message);
              }
            });
    if (!taken) {
      message.release();
    }
  }

  /** Takes more bytes. Any thread. */
  void request() {
    connection.execute(
        () -> {
          if (stream != null && !ended) {
            handler.onRequest(stream);
          }
        });
  }

  /** Ends the call from our side. Any thread. */
  void cancel(String reason) {
    connection.execute(
        () -> {
          if (stream != null) {
            stream.writeAndFlush(new DefaultHttp2ResetFrame(Http2Error.CANCEL));
          }
          end(Status.CANCELLED.withDescription(reason));
        });
  }

  @Override
  public void onOpen(Channel connected) {
    new Http2StreamChannelBootstrap(connected)
        .option(ChannelOption.AUTO_READ, false)
        .handler(handler)
        .open()
        .addListener(
            opened -> {
              if (opened.isSuccess()) {
                begin((Http2StreamChannel) opened.getNow());
              } else {
                end(
                    ControlPlaneConnection.failed(
                        "no stream" + connection.goingAway(), opened.cause()));
              }
            });
  }

  @Override
  public void onLost(Status status) {
    end(status);
  }

  private void begin(Http2StreamChannel opened) {
    if (ended) {
      opened.close();
      return;
    }
    stream = opened;
    opened.writeAndFlush(new DefaultHttp2HeadersFrame(headers));
    opened.read();
    tell(listener::onOpen);
  }

  private static void write(Channel stream, ByteBuf message) {
    ByteBuf prefix = stream.alloc().buffer(PREFIX_BYTES);
    prefix.writeByte(0).writeInt(message.readableBytes()); // 0: not compressed
    stream.writeAndFlush(new DefaultHttp2DataFrame(Unpooled.wrappedBuffer(prefix, message)));
  }

  /** Ends the call and its connection; only the first end counts. */
  private void end(Status status) {
    if (ended) {
      return;
    }
    ended = true;
    connection.close();
    tell(() -> listener.onClose(status));
  }

  private void tell(Runnable news) {
    try {
      executor.execute(news);
    } catch (RejectedExecutionException _) {
      // Nobody is left who would want to know.
    }
  }

  /**
   * What concerns the call. While the listener is busy with what it has, more is collected for it,
   * so that one waits for the other once in a while only and not at every frame.
   */
  private final class StreamHandler extends ChannelInboundHandlerAdapter {
    private List<ByteBuf> arrived = new ArrayList<>();
    private int arrivedBytes;

    /** Whether the listener waits for bytes. */
    private boolean wanted = true;

    /** Whether nothing is read, because enough has arrived. */
    private boolean paused;

    private boolean answered;

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
      switch (message) {
        case Http2DataFrame data -> {
          arrived.add(data.content()); // its reference is ours now
          arrivedBytes += data.content().readableBytes();
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
      if (wanted && !ended) {
        handOver();
      }
      paused = ended || arrivedBytes >= MAX_WAITING_BYTES;
      if (!paused) {
        ctx.read();
      }
    }

    /** The listener has read what it had. */
    void onRequest(Channel stream) {
      wanted = true;
      handOver();
      if (paused) {
        paused = false;
        stream.read();
      }
    }

    private void handOver() {
      if (arrived.isEmpty()) {
        return;
      }
      wanted = false;
      List<ByteBuf> bytes = arrived;
      arrived = new ArrayList<>();
      arrivedBytes = 0;
      try {
        executor.execute(() -> listener.onBytes(bytes));
      } catch (RejectedExecutionException _) {
        bytes.forEach(ByteBuf::release);
      }
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
      end(
          ControlPlaneConnection.failed(
              ControlPlaneConnection.WAS_CLOSED + connection.goingAway(), null));
      super.channelInactive(ctx);
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
      end(ControlPlaneConnection.failed("the stream is broken", cause));
    }
  }
}
