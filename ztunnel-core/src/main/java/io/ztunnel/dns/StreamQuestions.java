package io.ztunnel.dns;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOption;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.handler.codec.LengthFieldBasedFrameDecoder;
import io.netty.handler.flow.FlowControlHandler;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Answers the questions of one TCP connection, one after the other (RFC 7766). Confined to its
 * event loop.
 *
 * <p>Reads one question only when the last answer is written. A client that keeps a question, or
 * the reading of its answer, back for five seconds is hung up on (Istio); so is one whose question
 * is longer than any can be.
 */
final class StreamQuestions extends SimpleChannelInboundHandler<ByteBuf> {
  private static final long IDLE_SECONDS = 5;

  private final NameService names;
  private @Nullable ScheduledFuture<?> idle;
  private boolean answering;

  /** The client has ended its side, perhaps behind questions that wait for their turn. */
  private boolean inputEnded;

  /** A question has come. */
  private boolean asked;

  private boolean draining;

  private StreamQuestions(NameService names) {
    this.names = names;
  }

  /** Prepares a channel just accepted. */
  static StreamQuestions install(Channel accepted, NameService names) {
    StreamQuestions questions = new StreamQuestions(names);
    accepted.config().setAutoRead(false);
    accepted.config().setOption(ChannelOption.ALLOW_HALF_CLOSURE, true);
    accepted
        .pipeline()
        .addLast(
            new LengthFieldBasedFrameDecoder(2 + IncomingMessage.MAX_BYTES, 0, 2, 0, 2),
            new FlowControlHandler(),
            questions);
    return questions;
  }

  @Override
  public void channelActive(ChannelHandlerContext ctx) {
    awaitQuestion(ctx);
  }

  private void awaitQuestion(ChannelHandlerContext ctx) {
    answering = false;
    restartTimer(ctx);
    ctx.read(); // a question that is there already is answered within
    if (inputEnded && !answering) {
      ctx.close();
    }
  }

  private void restartTimer(ChannelHandlerContext ctx) {
    stopTimer();
    idle = ctx.executor().schedule(() -> ctx.close(), IDLE_SECONDS, TimeUnit.SECONDS);
  }

  private void stopTimer() {
    if (idle != null) {
      idle.cancel(false);
    }
  }

  @Override
  protected void channelRead0(ChannelHandlerContext ctx, ByteBuf frame) {
    stopTimer();
    asked = true;
    answering = true;
    switch (IncomingMessage.read(ByteBufUtil.getBytes(frame))) {
      case IncomingMessage.Ignored _ ->
          ctx.executor().execute(() -> next(ctx)); // there may be many of them in one read
      case IncomingMessage.Refused refused -> send(ctx, ReplyMessage.refusal(refused));
      case IncomingMessage.Asked(Query query) ->
          names
              .ask(query.question(), DnsProtocol.TCP, MessageWriter.MAX_BYTES)
              .addListener(
                  (Future<Reply> reply) -> send(ctx, ReplyMessage.stream(query, reply.getNow())));
    }
  }

  /** A part of a question has come, which counts as what was read, and the rest is to be read. */
  @Override
  public void channelReadComplete(ChannelHandlerContext ctx) {
    if (!answering) {
      ctx.read();
    }
  }

  private void send(ChannelHandlerContext ctx, byte[] message) {
    restartTimer(ctx);
    byte[] length = {(byte) (message.length >> 8), (byte) message.length};
    ctx.writeAndFlush(Unpooled.wrappedBuffer(length, message))
        .addListener(
            written -> {
              if (written.isSuccess()) {
                next(ctx);
              } else {
                ctx.close();
              }
            });
  }

  private void next(ChannelHandlerContext ctx) {
    if (draining) {
      ctx.close();
    } else {
      awaitQuestion(ctx);
    }
  }

  /**
   * Answers what it is at, or the first question of a client that has just connected, and nothing
   * more.
   */
  void drain(Channel channel) {
    draining = true;
    if (asked && !answering) {
      channel.close();
    }
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
    if (event == ChannelInputShutdownEvent.INSTANCE) {
      inputEnded = true;
      if (!answering) {
        ctx.close();
      }
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    stopTimer();
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    DnsLog.failed("connection closed", cause);
    ctx.close();
  }
}
