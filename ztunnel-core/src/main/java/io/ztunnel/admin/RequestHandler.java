package io.ztunnel.admin;

import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.handler.codec.DecoderResult;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.TooLongHttpHeaderException;
import io.netty.handler.codec.http.TooLongHttpLineException;
import io.ztunnel.log.Log;
import io.ztunnel.log.LogLevel;

/**
 * Answers the requests of one connection, and is the last handler of its pipeline: errors end here.
 * A half-closed client gets its answers before the connection is closed. Releases each request.
 * Confined to its event loop.
 */
final class RequestHandler extends SimpleChannelInboundHandler<FullHttpRequest> {
  private static final Log LOG = Log.target("ztunnel::hyper_util");

  private final HttpService service;
  private final HeadDeadline deadline;
  private boolean draining;

  RequestHandler(HttpService service, HeadDeadline deadline) {
    this.service = service;
    this.deadline = deadline;
  }

  @Override
  protected void channelRead0(ChannelHandlerContext ctx, FullHttpRequest request) {
    deadline.onRequest(ctx);
    DecoderResult decoded = request.decoderResult();
    if (decoded.isFailure()) {
      write(ctx, HttpReply.empty(statusOf(decoded.cause())), false);
      return;
    }
    write(ctx, answer(request), HttpUtil.isKeepAlive(request) && !draining);
  }

  private static HttpResponseStatus statusOf(Throwable cause) {
    return switch (cause) {
      case TooLongHttpHeaderException _ -> HttpResponseStatus.REQUEST_HEADER_FIELDS_TOO_LARGE;
      case TooLongHttpLineException _ -> HttpResponseStatus.REQUEST_URI_TOO_LONG;
      case Throwable _ -> HttpResponseStatus.BAD_REQUEST;
    };
  }

  private HttpReply answer(HttpRequest request) {
    try {
      return service.answer(pathOf(request.uri()), request);
    } catch (Exception e) {
      LOG.at(LogLevel.ERROR, "request failed")
          .display("path", pathOf(request.uri()))
          .string("error", e.toString())
          .log();
      String message = e.getMessage();
      return HttpReply.text(
          HttpResponseStatus.INTERNAL_SERVER_ERROR, message == null ? e.toString() : message);
    }
  }

  private static String pathOf(String uri) {
    int query = uri.indexOf('?');
    return query < 0 ? uri : uri.substring(0, query);
  }

  private static void write(ChannelHandlerContext ctx, HttpReply reply, boolean keepAlive) {
    var response = new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, reply.status(), reply.body());
    if (!reply.contentType().isEmpty()) {
      response.headers().set(HttpHeaderNames.CONTENT_TYPE, reply.contentType());
    }
    response.headers().set(HttpHeaderNames.CONTENT_LENGTH, reply.body().readableBytes());
    reply.headers().forEach((name, value) -> response.headers().set(name, value));
    if (keepAlive) {
      ctx.writeAndFlush(response, ctx.voidPromise());
    } else {
      response.headers().set(HttpHeaderNames.CONNECTION, HttpHeaderValues.CLOSE);
      ctx.writeAndFlush(response).addListener(ChannelFutureListener.CLOSE);
    }
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
    switch (event) {
      // Answers are written as requests arrive, so whatever was asked for is on its way.
      case ChannelInputShutdownEvent _ -> closeAfterAnswers(ctx);
      case HttpServer.Drain _ -> {
        draining = true;
        closeAfterAnswers(ctx);
      }
      default -> ctx.fireUserEventTriggered(event);
    }
  }

  private static void closeAfterAnswers(ChannelHandlerContext ctx) {
    ctx.writeAndFlush(Unpooled.EMPTY_BUFFER).addListener(ChannelFutureListener.CLOSE);
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    LOG.at(LogLevel.DEBUG, "connection failed").string("error", cause.toString()).log();
    ctx.close();
  }
}
