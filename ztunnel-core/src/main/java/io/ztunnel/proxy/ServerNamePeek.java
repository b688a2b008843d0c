package io.ztunnel.proxy;

import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.ssl.AbstractSniHandler;
import io.netty.handler.ssl.NotSslRecordException;
import io.netty.handler.ssl.SniCompletionEvent;
import io.netty.util.concurrent.Future;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * Finds out which server a TLS client asks for (RFC 6066, 3), and passes all bytes on as they are
 * once it has. A client that sends no whole ClientHello in time, or too long a one, is closed.
 * Confined to the channel's event loop; in its pipeline until the name is known.
 */
final class ServerNamePeek extends AbstractSniHandler<Void> {
  /** Several times the largest that are seen, those with post-quantum keys. */
  private static final int MAX_CLIENT_HELLO_BYTES = 16 << 10;

  /** Is told the outcome, once. */
  interface Listener {
    /** The name in lower case; null: the client names none, or does not speak TLS. */
    void onServerName(@Nullable String name);

    /** There is no ClientHello, and the channel is closed for it. */
    void onNoServerName(String reason);
  }

  private final Listener listener;

  private ServerNamePeek(Duration timeout, Listener listener) {
    super(MAX_CLIENT_HELLO_BYTES, timeout.toMillis());
    this.listener = listener;
  }

  /** Looks at what an active channel with auto-read off sends first. */
  static void begin(Channel channel, Duration timeout, Listener listener) {
    channel.pipeline().addFirst(new ServerNamePeek(timeout, listener), new FailureWatch(listener));
    channel.read(); // further ones follow by themselves, until the name is known
  }

  /** Hears from the handler before it why it gave up. */
  private static final class FailureWatch extends ChannelInboundHandlerAdapter {
    private final Listener listener;

    FailureWatch(Listener listener) {
      this.listener = listener;
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
      if (event instanceof SniCompletionEvent outcome && outcome.cause() != null) {
        listener.onNoServerName(text(outcome.cause()));
      } else {
        ctx.fireUserEventTriggered(event);
      }
    }

    private static String text(Throwable cause) {
      return cause instanceof NotSslRecordException
          ? "not a TLS record" // its own message has all the bytes
          : SocketErrors.text(cause);
    }
  }

  @Override
  protected Future<Void> lookup(ChannelHandlerContext ctx, @Nullable String name) {
    return ctx.executor().newSucceededFuture(null);
  }

  @Override
  protected void onLookupComplete(
      ChannelHandlerContext ctx, @Nullable String name, Future<Void> future) {
    ctx.pipeline().remove(FailureWatch.class);
    ctx.pipeline().remove(this); // its bytes go on after this
    listener.onServerName(name);
  }
}
