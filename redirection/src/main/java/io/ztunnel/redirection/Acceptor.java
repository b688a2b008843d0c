package io.ztunnel.redirection;

import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerAdapter;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.EventLoopGroup;
import java.io.IOException;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Hands what a listener accepts to the worker loops. The only handler of a listener; confined to
 * the listener's event loop.
 *
 * <p>An error of the accepting itself, such as running out of file descriptors, pauses the listener
 * for a moment: the waiting connection would raise the same error again at once, and for ever.
 */
final class Acceptor extends ChannelInboundHandlerAdapter {
  private static final Logger LOG = LoggerFactory.getLogger("ztunnel::proxy");

  private static final long PAUSE_MILLIS = 1000;

  private final EventLoopGroup workers;
  private final SocketOptions options;
  private final ChannelHandler accepted;
  private final boolean keepalive;

  /** Whether accepted connections have their options from the listener. */
  private boolean inherited;

  Acceptor(
      EventLoopGroup workers, SocketOptions options, ChannelHandler accepted, boolean keepalive) {
    if (accepted instanceof ChannelHandlerAdapter handler && !handler.isSharable()) {
      throw new IllegalArgumentException(
          "%s (expected: a sharable handler, for every accepted connection)".formatted(accepted));
    }
    this.workers = workers;
    this.options = options;
    this.accepted = accepted;
    this.keepalive = keepalive;
  }

  @Override
  public void handlerAdded(ChannelHandlerContext ctx) {
    inherited = options.inheritable(ctx.channel(), keepalive);
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object message) {
    Channel child = (Channel) message;
    child.config().setAutoRead(false);
    try {
      SocketFactory.prepare(child);
    } catch (IOException e) {
      giveUp(child, e);
      return;
    }
    if (!inherited) {
      options.accepted(child, keepalive);
    }
    child.pipeline().addLast(accepted);
    workers.register(child).addListener((ChannelFuture registered) -> closeIfFailed(registered));
  }

  private static void closeIfFailed(ChannelFuture registered) {
    if (!registered.isSuccess()) {
      giveUp(registered.channel(), registered.cause());
    }
  }

  private static void giveUp(Channel child, Throwable cause) {
    LOG.error("accepted connection given up: {}", IoFailure.reason(cause));
    child.unsafe().closeForcibly();
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    Channel listener = ctx.channel();
    LOG.error("cannot accept on {}: {}", listener.localAddress(), IoFailure.reason(cause));
    if (listener.config().isAutoRead()) {
      listener.config().setAutoRead(false);
      ctx.executor().schedule(() -> resume(listener), PAUSE_MILLIS, TimeUnit.MILLISECONDS);
    }
  }

  private static void resume(Channel listener) {
    if (listener.isActive()) {
      listener.config().setAutoRead(true);
    }
  }
}
