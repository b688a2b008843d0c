package io.ztunnel.admin;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.handler.codec.DecoderResult;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.DefaultHttpContent;
import io.netty.handler.codec.http.DefaultHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.handler.codec.http.TooLongHttpHeaderException;
import io.netty.handler.codec.http.TooLongHttpLineException;
import io.netty.util.concurrent.Future;
import io.ztunnel.log.Log;
import io.ztunnel.log.LogLevel;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.function.BooleanSupplier;

/**
 * Answers the requests of one connection one after the other, and is the last handler of its
 * pipeline: errors end here. A half-closed client gets its answers before the connection is closed.
 * Releases each request. The next one is answered when the system has taken the answer before, and
 * no more is read until all that has arrived is answered: who asks and takes nothing costs one
 * answer. Confined to its event loop.
 */
final class RequestHandler extends SimpleChannelInboundHandler<FullHttpRequest> {
  private static final Log LOG = Log.target("ztunnel::hyper_util");

  /**
   * More requests than this ahead of their answers end the connection. One read brings at most half
   * as many; a system that reads on after the end of the client may bring more.
   */
  private static final int MAX_WAITING = 256;

  /** After so many pieces of a streamed answer the loop turns to others. */
  private static final int PIECES_PER_TURN = 4;

  private static final int FIRST_PIECE_BYTES = 40 << 10;

  private sealed interface State {
    record Idle() implements State {}

    record Awaiting(Future<HttpReply> reply, boolean endsWithClient) implements State {}

    record Streaming(Body.Pieces pieces, boolean keepAlive) implements State {}

    record Sending(boolean keepAlive) implements State {}

    record Closed() implements State {}
  }

  private final HttpService service;
  private final HeadDeadline deadline;
  private final RestingConnections resting;
  private final BooleanSupplier leaving;
  private final Queue<FullHttpRequest> waiting = new ArrayDeque<>();
  private State state = new State.Idle();

  /** No more requests are to be answered than have arrived. */
  private boolean ending;

  /** {@link #serveWaiting} is further up the stack. */
  private boolean serving;

  /** A turn of {@link #pump} is waiting for the loop. */
  private boolean turnAsked;

  /**
   * For one connection.
   *
   * @param leaving whether connections are to end with the next answer; asked on any loop
   */
  RequestHandler(
      HttpService service,
      HeadDeadline deadline,
      RestingConnections resting,
      BooleanSupplier leaving) {
    this.service = service;
    this.deadline = deadline;
    this.resting = resting;
    this.leaving = leaving;
  }

  @Override
  public void handlerAdded(ChannelHandlerContext ctx) {
    resting.add(ctx.channel());
  }

  @Override
  protected void channelRead0(ChannelHandlerContext ctx, FullHttpRequest request) {
    deadline.onRequest(ctx);
    resting.remove(ctx.channel());
    if (state instanceof State.Closed) {
      return; // it arrived with what ended the connection
    }
    if (waiting.size() == MAX_WAITING) {
      ctx.close();
      return;
    }
    waiting.add(request.retain());
    serveWaiting(ctx);
  }

  /** Answers what waits until an answer takes its time; asks for more when nothing is owed. */
  private void serveWaiting(ChannelHandlerContext ctx) {
    if (serving) {
      return;
    }
    serving = true;
    try {
      FullHttpRequest next;
      while (state instanceof State.Idle && (next = waiting.poll()) != null) {
        try {
          serve(ctx, next);
        } finally {
          next.release();
        }
      }
    } finally {
      serving = false;
    }
    boolean rests = state instanceof State.Idle;
    if (rests && ending) {
      close(ctx);
      return;
    }
    if (rests) {
      deadline.onAnswered(ctx);
      resting.add(ctx.channel());
    }
    ctx.channel().config().setAutoRead(rests || isAwaitingWhileClientStays());
  }

  private boolean isAwaitingWhileClientStays() {
    return state instanceof State.Awaiting(Future<HttpReply> _, boolean endsWithClient)
        && endsWithClient;
  }

  private void serve(ChannelHandlerContext ctx, FullHttpRequest request) {
    DecoderResult decoded = request.decoderResult();
    if (decoded.isFailure()) {
      send(ctx, HttpReply.empty(statusOf(decoded.cause())), request.protocolVersion(), false);
      return;
    }
    HttpVersion version = request.protocolVersion();
    boolean keepAlive = HttpUtil.isKeepAlive(request);
    String path = pathOf(request.uri());
    switch (answer(path, request)) {
      case HttpReply reply -> send(ctx, reply, version, keepAlive);
      case Answer.Later(Future<HttpReply> later, boolean endsWithClient) -> {
        state = new State.Awaiting(later, endsWithClient);
        later.addListener(
            (Future<HttpReply> done) ->
                ctx.executor()
                    .execute(
                        () -> {
                          if (state instanceof State.Awaiting) {
                            send(
                                ctx,
                                done.isSuccess() ? done.getNow() : failed(path, done.cause()),
                                version,
                                keepAlive);
                          } else if (done.isSuccess()) {
                            done.getNow().discard(); // the client has gone
                          }
                        }));
      }
    }
  }

  private static HttpResponseStatus statusOf(Throwable cause) {
    return switch (cause) {
      case TooLongHttpHeaderException _ -> HttpResponseStatus.REQUEST_HEADER_FIELDS_TOO_LARGE;
      case TooLongHttpLineException _ -> HttpResponseStatus.REQUEST_URI_TOO_LONG;
      case Throwable _ -> HttpResponseStatus.BAD_REQUEST;
    };
  }

  private Answer answer(String path, HttpRequest request) {
    try {
      return service.answer(path, request);
    } catch (Exception e) {
      return failed(path, e);
    }
  }

  private static HttpReply failed(String path, Throwable cause) {
    LOG.at(LogLevel.ERROR, "request failed")
        .display("path", path)
        .string("error", cause.toString())
        .log();
    String message = cause.getMessage();
    return HttpReply.text(
        HttpResponseStatus.INTERNAL_SERVER_ERROR, message == null ? cause.toString() : message);
  }

  /** Also of a whole URI, as a client sends it to a proxy (RFC 9112, 3.2.2). */
  private static String pathOf(String target) {
    int query = target.indexOf('?');
    String uri = query < 0 ? target : target.substring(0, query);
    int scheme = uri.startsWith("/") ? -1 : uri.indexOf("://");
    if (scheme < 0) {
      return uri;
    }
    int path = uri.indexOf('/', scheme + "://".length());
    return path < 0 ? "/" : uri.substring(path);
  }

  private void send(
      ChannelHandlerContext ctx, HttpReply reply, HttpVersion version, boolean wanted) {
    boolean isLast = (ending || leaving.getAsBoolean()) && waiting.isEmpty();
    boolean keepAlive = wanted && !isLast;
    switch (reply.body()) {
      case Body.Whole(ByteBuf bytes) -> {
        var response = new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, reply.status(), bytes);
        head(response, reply, version, keepAlive);
        response.headers().set(HttpHeaderNames.CONTENT_LENGTH, bytes.readableBytes());
        state = new State.Sending(keepAlive);
        ctx.writeAndFlush(response).addListener(sent -> onSent(ctx, sent));
      }
      case Body.Streamed(Body.Pieces pieces) -> {
        // Without chunks only the end of the connection says where the body ends.
        boolean chunked = version.compareTo(HttpVersion.HTTP_1_1) >= 0;
        boolean reusable = keepAlive && chunked;
        var response = new DefaultHttpResponse(HttpVersion.HTTP_1_1, reply.status());
        head(response, reply, version, reusable);
        HttpUtil.setTransferEncodingChunked(response, chunked);
        ctx.write(response);
        state = new State.Streaming(pieces, reusable);
        pump(ctx);
      }
    }
  }

  private static void head(
      HttpResponse response, HttpReply reply, HttpVersion version, boolean keepAlive) {
    if (!reply.contentType().isEmpty()) {
      response.headers().set(HttpHeaderNames.CONTENT_TYPE, reply.contentType());
    }
    reply.headers().forEach((name, value) -> response.headers().set(name, value));
    if (!keepAlive) {
      response.headers().set(HttpHeaderNames.CONNECTION, HttpHeaderValues.CLOSE);
    } else if (!version.isKeepAliveDefault()) {
      // HTTP/1.0: without this word the client waits for the end of the connection.
      response.headers().set(HttpHeaderNames.CONNECTION, HttpHeaderValues.KEEP_ALIVE);
    }
  }

  /** Sends pieces while the client takes them, and lets others have their turn in between. */
  private void pump(ChannelHandlerContext ctx) {
    turnAsked = false;
    if (!(state instanceof State.Streaming(Body.Pieces pieces, boolean keepAlive))) {
      return; // it has ended since this turn was asked for
    }
    for (int i = 0; i < PIECES_PER_TURN && ctx.channel().isWritable(); i++) {
      ByteBuf piece = ctx.alloc().buffer(FIRST_PIECE_BYTES);
      boolean more;
      try {
        more = pieces.writeNext(piece);
      } catch (Exception e) {
        // The status is on its way: only a body without an end can still tell.
        piece.release(); // the pieces are closed with the connection
        LOG.at(LogLevel.ERROR, "answer broken off").string("error", e.toString()).log();
        ctx.close();
        return;
      }
      ctx.write(new DefaultHttpContent(piece));
      if (!more) {
        Body.close(pieces);
        ctx.writeAndFlush(LastHttpContent.EMPTY_LAST_CONTENT);
        onAnswered(ctx, keepAlive);
        return;
      }
    }
    ctx.flush();
    askForTurn(ctx);
  }

  private void askForTurn(ChannelHandlerContext ctx) {
    if (!turnAsked && state instanceof State.Streaming && ctx.channel().isWritable()) {
      turnAsked = true;
      ctx.executor().execute(() -> pump(ctx));
    }
  }

  private void onSent(ChannelHandlerContext ctx, Future<?> sent) {
    if (!sent.isSuccess()) {
      ctx.close();
    } else if (state instanceof State.Sending(boolean keepAlive)) {
      onAnswered(ctx, keepAlive);
    }
  }

  private void onAnswered(ChannelHandlerContext ctx, boolean keepAlive) {
    if (keepAlive) {
      state = new State.Idle();
      serveWaiting(ctx);
    } else {
      close(ctx);
    }
  }

  private void close(ChannelHandlerContext ctx) {
    state = new State.Closed();
    ctx.writeAndFlush(Unpooled.EMPTY_BUFFER).addListener(ChannelFutureListener.CLOSE);
  }

  @Override
  public void channelWritabilityChanged(ChannelHandlerContext ctx) {
    askForTurn(ctx);
    ctx.fireChannelWritabilityChanged();
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
    switch (event) {
      case ChannelInputShutdownEvent _ -> {
        if (isAwaitingWhileClientStays()) {
          ctx.close();
        } else {
          closeAfterAnswers(ctx);
        }
      }
      case HttpServer.Drain _ -> closeAfterAnswers(ctx);
      default -> ctx.fireUserEventTriggered(event);
    }
  }

  private void closeAfterAnswers(ChannelHandlerContext ctx) {
    ending = true;
    if (state instanceof State.Idle) {
      close(ctx);
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    State before = state;
    state = new State.Closed();
    resting.remove(ctx.channel());
    switch (before) {
      case State.Awaiting(Future<HttpReply> reply, boolean _) -> reply.cancel(false);
      case State.Streaming(Body.Pieces pieces, boolean _) -> Body.close(pieces);
      case State.Idle _, State.Sending _, State.Closed _ -> {}
    }
    waiting.forEach(FullHttpRequest::release);
    waiting.clear();
    ctx.fireChannelInactive();
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    LOG.at(LogLevel.DEBUG, "connection failed").string("error", cause.toString()).log();
    ctx.close();
  }
}
