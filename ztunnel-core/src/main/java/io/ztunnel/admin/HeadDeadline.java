package io.ztunnel.admin;

import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.util.concurrent.Future;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Closes a connection whose request does not arrive in time: from its first byte, and for the first
 * request from the connect. Between requests a connection may rest for longer.
 *
 * <p>Sits before the HTTP codec and sees bytes; {@link #onRequest} tells it that they made a
 * request. Confined to its event loop.
 */
final class HeadDeadline extends ChannelInboundHandlerAdapter {
  private static final Duration REQUEST = Duration.ofSeconds(2);
  private static final Duration REST = Duration.ofMinutes(2);

  private @Nullable Future<?> timer;
  private boolean receiving;

  @Override
  public void handlerAdded(ChannelHandlerContext ctx) {
    receiving = true;
    arm(ctx, REQUEST);
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object bytes) {
    if (!receiving) {
      receiving = true;
      arm(ctx, REQUEST);
    }
    ctx.fireChannelRead(bytes);
  }

  /** A whole request has arrived; nobody is in a hurry until it is answered. */
  void onRequest(ChannelHandlerContext ctx) {
    assert ctx.executor().inEventLoop();
    receiving = false;
    disarm();
  }

  /** All requests that have arrived are answered: the client may rest for a while. */
  void onAnswered(ChannelHandlerContext ctx) {
    assert ctx.executor().inEventLoop();
    if (!receiving) {
      arm(ctx, REST);
    }
  }

  private void arm(ChannelHandlerContext ctx, Duration limit) {
    disarm();
    timer = ctx.executor().schedule(() -> ctx.close(), limit.toMillis(), TimeUnit.MILLISECONDS);
  }

  private void disarm() {
    Future<?> pending = timer;
    if (pending != null) {
      pending.cancel(false);
      timer = null;
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    disarm();
    ctx.fireChannelInactive();
  }

  @Override
  public void handlerRemoved(ChannelHandlerContext ctx) {
    disarm();
  }
}
