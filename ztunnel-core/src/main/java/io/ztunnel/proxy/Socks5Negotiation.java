package io.ztunnel.proxy;

import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.codec.ByteToMessageDecoder;
import io.netty.util.concurrent.ScheduledFuture;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The opening of a SOCKS5 connection (RFC 1928), without authentication and for CONNECT to numeric
 * addresses only: names need the DNS proxy. After it the connection is an outbound one like any
 * other. The answer says yes before the upstream is tried (Istio).
 *
 * <p>Confined to the channel's event loop. Bounded: the longest opening has a few hundred bytes,
 * and ten seconds.
 */
final class Socks5Negotiation extends ChannelInboundHandlerAdapter {
  private static final long DEADLINE_SECONDS = 10;
  private static final int VERSION = 5;
  private static final int NO_AUTHENTICATION = 0;
  private static final int CONNECT = 1;
  private static final int IPV4 = 1;
  private static final int NAME = 3;
  private static final int IPV6 = 4;
  private static final int SUCCEEDED = 0;
  private static final int NOT_SUPPORTED = 7;

  private sealed interface Step {
    record NeedMore() implements Step {}

    record Refused(String reason) implements Step {}

    record Greeted() implements Step {}

    record Target(InetSocketAddress address) implements Step {}
  }

  private final Consumer<InetSocketAddress> onTarget;
  private boolean greeted;
  private @Nullable ByteBuf received;
  private @Nullable ScheduledFuture<?> deadline;

  /**
   * For one connection.
   *
   * @param onTarget is told where the client wants to go, after what it sent behind its request was
   *     passed on down the pipeline
   */
  Socks5Negotiation(Consumer<InetSocketAddress> onTarget) {
    this.onTarget = onTarget;
  }

  /** Prepares a channel just accepted; the negotiation begins when it is active. */
  static void install(PodProxy proxy, Channel accepted) {
    TcpLeg.install(
        accepted,
        leg -> {
          accepted
              .pipeline()
              .addFirst(
                  new Socks5Negotiation(target -> OutboundConnection.start(proxy, leg, target)));
          accepted.config().setAutoRead(true);
        });
  }

  @Override
  public void handlerAdded(ChannelHandlerContext ctx) {
    deadline =
        ctx.executor()
            .schedule(
                () -> refuse(ctx, "no request within " + DEADLINE_SECONDS + " s"),
                DEADLINE_SECONDS,
                TimeUnit.SECONDS);
  }

  @Override
  public void handlerRemoved(ChannelHandlerContext ctx) {
    if (deadline != null) {
      deadline.cancel(false);
    }
    if (received != null) {
      received.release();
      received = null;
    }
  }

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object message) {
    ByteBuf bytes = (ByteBuf) message;
    received =
        received == null
            ? bytes
            : ByteToMessageDecoder.MERGE_CUMULATOR.cumulate(ctx.alloc(), received, bytes);
    advance(ctx, received);
  }

  private void advance(ChannelHandlerContext ctx, ByteBuf buffer) {
    while (true) {
      switch (greeted ? request(buffer) : greeting(buffer)) {
        case Step.NeedMore _ -> {
          return;
        }
        case Step.Refused(String reason) -> {
          refuse(ctx, reason);
          return;
        }
        case Step.Greeted _ -> {
          greeted = true;
          ctx.writeAndFlush(ctx.alloc().buffer(2).writeByte(VERSION).writeByte(NO_AUTHENTICATION));
        }
        case Step.Target(InetSocketAddress address) -> {
          handOver(ctx, buffer, address);
          return;
        }
      }
    }
  }

  private static Step greeting(ByteBuf buffer) {
    int start = buffer.readerIndex();
    if (buffer.readableBytes() < 2) {
      return new Step.NeedMore();
    }
    int version = buffer.getUnsignedByte(start);
    int methods = buffer.getUnsignedByte(start + 1);
    if (version != VERSION) {
      return new Step.Refused("version " + version + " (expected: 5)");
    }
    if (methods == 0) {
      return new Step.Refused("no authentication method offered");
    }
    if (buffer.readableBytes() < 2 + methods) {
      return new Step.NeedMore();
    }
    boolean acceptable =
        buffer.indexOf(start + 2, start + 2 + methods, (byte) NO_AUTHENTICATION) >= 0;
    buffer.skipBytes(2 + methods);
    return acceptable
        ? new Step.Greeted()
        : new Step.Refused("authentication wanted (expected: none)");
  }

  private static Step request(ByteBuf buffer) {
    int start = buffer.readerIndex();
    if (buffer.readableBytes() < 4) {
      return new Step.NeedMore();
    }
    int version = buffer.getUnsignedByte(start);
    int command = buffer.getUnsignedByte(start + 1);
    int type = buffer.getUnsignedByte(start + 3);
    if (version != VERSION) {
      return new Step.Refused("version " + version + " (expected: 5)");
    }
    if (command != CONNECT) {
      return new Step.Refused("command " + command + " (expected: 1, CONNECT)");
    }
    if (type == NAME) {
      return new Step.Refused("a host name (expected: an address; names need the DNS proxy)");
    }
    if (type != IPV4 && type != IPV6) {
      return new Step.Refused("address type " + type + " (expected: 1 or 4)");
    }
    byte[] address = new byte[type == IPV4 ? 4 : 16];
    if (buffer.readableBytes() < 4 + address.length + 2) {
      return new Step.NeedMore();
    }
    buffer.skipBytes(4).readBytes(address);
    int port = buffer.readUnsignedShort();
    try {
      return new Step.Target(new InetSocketAddress(InetAddress.getByAddress(address), port));
    } catch (UnknownHostException e) {
      throw new IllegalStateException(e); // the length is right
    }
  }

  private void handOver(ChannelHandlerContext ctx, ByteBuf buffer, InetSocketAddress address) {
    ctx.channel().config().setAutoRead(false);
    ctx.writeAndFlush(reply(ctx, SUCCEEDED));
    if (buffer.isReadable()) {
      ctx.fireChannelRead(buffer.readRetainedSlice(buffer.readableBytes())); // kept by the leg
    }
    ctx.pipeline().remove(this);
    onTarget.accept(address);
  }

  private static ByteBuf reply(ChannelHandlerContext ctx, int code) {
    return ctx.alloc()
        .buffer(10)
        .writeByte(VERSION)
        .writeByte(code)
        .writeByte(0)
        .writeByte(IPV4)
        .writeZero(6);
  }

  private void refuse(ChannelHandlerContext ctx, String reason) {
    ProxyLog.socksRefused(ctx.channel(), reason);
    ctx.writeAndFlush(reply(ctx, NOT_SUPPORTED)).addListener(_ -> ctx.close());
    ctx.pipeline().remove(this);
  }
}
