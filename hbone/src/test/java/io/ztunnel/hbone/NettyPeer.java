package io.ztunnel.hbone;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.socket.SocketChannel;
import io.netty.handler.codec.http2.DefaultHttp2DataFrame;
import io.netty.handler.codec.http2.DefaultHttp2GoAwayFrame;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.DefaultHttp2HeadersFrame;
import io.netty.handler.codec.http2.DefaultHttp2ResetFrame;
import io.netty.handler.codec.http2.DefaultHttp2WindowUpdateFrame;
import io.netty.handler.codec.http2.Http2DataFrame;
import io.netty.handler.codec.http2.Http2Error;
import io.netty.handler.codec.http2.Http2FrameCodec;
import io.netty.handler.codec.http2.Http2FrameCodecBuilder;
import io.netty.handler.codec.http2.Http2FrameStream;
import io.netty.handler.codec.http2.Http2GoAwayFrame;
import io.netty.handler.codec.http2.Http2HeadersFrame;
import io.netty.handler.codec.http2.Http2PingFrame;
import io.netty.handler.codec.http2.Http2ResetFrame;
import io.netty.handler.codec.http2.Http2Settings;
import io.netty.util.ReferenceCountUtil;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A server that speaks HTTP/2 by Netty's own codec, and answers each request as it is told to: the
 * stranger at the other end of our pool. Confined to the loop.
 */
final class NettyPeer extends ChannelInboundHandlerAdapter {
  /** What is done about a request. */
  interface Answer {
    void give(NettyPeer peer, Http2HeadersFrame request);
  }

  /** 200, and then everything comes back. */
  static final Answer ECHO =
      (peer, request) ->
          peer.write(
              new DefaultHttp2HeadersFrame(new DefaultHttp2Headers().status("200"))
                  .stream(request.stream()));

  static final Answer SILENCE = (_, _) -> {};

  static Answer status(int status) {
    return (peer, request) ->
        peer.write(
            new DefaultHttp2HeadersFrame(
                    new DefaultHttp2Headers().status(String.valueOf(status)), true)
                .stream(request.stream()));
  }

  static Answer reset(Http2Error code) {
    return (peer, request) -> peer.write(new DefaultHttp2ResetFrame(code).stream(request.stream()));
  }

  /** GOAWAY that leaves out this request, and every one after it. */
  static Answer goAwayBefore() {
    // Past the codec, which always includes what it has seen.
    return (peer, request) ->
        peer.context()
            .pipeline()
            .context(Http2FrameCodec.class)
            .writeAndFlush(Frames.goAway(Math.max(0, request.stream().id() - 2), 0, "leaving"));
  }

  static final Answer CLOSE = (peer, _) -> peer.context().close();

  /** Closes the socket without a word of TLS or HTTP/2. */
  static final Answer VANISH = (peer, _) -> peer.context().pipeline().firstContext().close();

  final List<String> events = new ArrayList<>();
  private final Answer answer;
  private @Nullable ChannelHandlerContext ctx;

  private NettyPeer(Answer answer) {
    this.answer = answer;
  }

  /** Takes over an accepted channel. */
  static NettyPeer accept(SocketChannel channel, ServerTls tls, long maxStreams, Answer answer) {
    NettyPeer peer = new NettyPeer(answer);
    channel.pipeline().addLast(tls.newHandler(channel.alloc()));
    channel
        .pipeline()
        .addLast(
            Http2FrameCodecBuilder.forServer()
                .initialSettings(Http2Settings.defaultSettings().maxConcurrentStreams(maxStreams))
                .decoderEnforceMaxRstFramesPerWindow(0, 1)
                .encoderEnforceMaxRstFramesPerWindow(0, 1)
                .gracefulShutdownTimeoutMillis(0)
                .build(),
            peer);
    channel.config().setAutoRead(true);
    return peer;
  }

  /** Says GOAWAY for every stream so far: they may end, and no new ones come. */
  void goAway() {
    DefaultHttp2GoAwayFrame goAway =
        new DefaultHttp2GoAwayFrame(Http2Error.NO_ERROR, Unpooled.EMPTY_BUFFER);
    write(goAway);
  }

  void write(Object frame) {
    context().writeAndFlush(frame);
  }

  ChannelHandlerContext context() {
    return Objects.requireNonNull(ctx);
  }

  @Override
  public void handlerAdded(ChannelHandlerContext added) {
    ctx = added;
  }

  @Override
  public void channelRead(ChannelHandlerContext of, Object frame) {
    try {
      switch (frame) {
        case Http2HeadersFrame headers -> {
          events.add("request " + headers.headers().authority());
          answer.give(this, headers);
        }
        case Http2DataFrame data -> onData(data);
        case Http2ResetFrame reset -> events.add("reset " + Http2Words.error(reset.errorCode()));
        case Http2GoAwayFrame goAway -> events.add("goaway " + goAway.lastStreamId());
        case Http2PingFrame ping -> events.add("ping " + ping.ack());
        default -> {}
      }
    } finally {
      ReferenceCountUtil.release(frame);
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext of) {
    events.add("closed");
  }

  @Override
  @SuppressWarnings("deprecation") // the interface of inbound handlers is not
  public void exceptionCaught(ChannelHandlerContext of, Throwable cause) {
    events.add(String.valueOf(cause.getMessage()));
  }

  private void onData(Http2DataFrame data) {
    Http2FrameStream stream = data.stream();
    ByteBuf content = data.content().retain();
    write(new DefaultHttp2DataFrame(content, data.isEndStream()).stream(stream));
    if (data.initialFlowControlledBytes() > 0) {
      write(new DefaultHttp2WindowUpdateFrame(data.initialFlowControlledBytes()).stream(stream));
    }
  }
}
