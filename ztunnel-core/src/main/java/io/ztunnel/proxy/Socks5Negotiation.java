package io.ztunnel.proxy;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.EventLoop;
import io.netty.handler.codec.ByteToMessageDecoder;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.ScheduledFuture;
import io.ztunnel.dns.DnsServer;
import io.ztunnel.metrics.Reporter;
import io.ztunnel.redirection.Addresses;
import io.ztunnel.telemetry.ConnectionFailure;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The opening of a SOCKS5 connection (RFC 1928), without authentication and for CONNECT only. Names
 * are resolved as the workload's own questions are, which needs its DNS server. After the opening
 * the connection is an outbound one like any other. The answer says yes before the upstream is
 * tried (Istio).
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
  private static final int HOST_UNREACHABLE = 4;
  private static final int NOT_SUPPORTED = 7;

  private sealed interface Step {
    record NeedMore() implements Step {}

    record Refused(String reason) implements Step {}

    record Greeted() implements Step {}

    record Target(InetSocketAddress address) implements Step {}

    record NamedTarget(String host, int port) implements Step {}
  }

  /** Finds the addresses of a host name: at least one, or a failure. Completes on the loop. */
  @FunctionalInterface
  interface Names {
    Future<List<InetAddress>> resolve(EventLoop loop, String host);
  }

  private final @Nullable Names names;
  private final Consumer<InetSocketAddress> onTarget;
  private boolean greeted;
  private boolean resolving;
  private @Nullable ByteBuf received;
  private @Nullable ScheduledFuture<?> deadline;

  /**
   * For one connection.
   *
   * @param names null if names are not taken
   * @param onTarget is told where the client wants to go, after what it sent behind its request was
   *     passed on down the pipeline
   */
  Socks5Negotiation(@Nullable Names names, Consumer<InetSocketAddress> onTarget) {
    this.names = names;
    this.onTarget = onTarget;
  }

  /** Prepares a channel just accepted; the negotiation begins when it is active. */
  static void install(PodProxy proxy, Channel accepted) {
    TcpLeg.install(
        accepted,
        leg -> {
          if (proxy.isClosed() || !(accepted.remoteAddress() instanceof InetSocketAddress client)) {
            leg.abort(); // we are closed, or the application is gone
            return;
          }
          if (proxy.isOverloaded()) {
            leg.abort();
            proxy
                .context()
                .telemetry()
                .refused(
                    Reporter.SOURCE,
                    Addresses.canonical(client),
                    Addresses.canonical((InetSocketAddress) accepted.localAddress()),
                    new ConnectionFailure.Overloaded());
            return;
          }
          Socks5Opening opening = Socks5Opening.begin(proxy, accepted, client);
          DnsServer dns = proxy.dns();
          accepted
              .pipeline()
              .addFirst(
                  new Socks5Negotiation(
                      dns == null ? null : dns::resolve,
                      target -> {
                        OutboundConnection.start(proxy, leg, target);
                        opening.end(); // only now: there is no moment without either
                      }));
          accepted.config().setAutoRead(true);
        });
  }

  @Override
  public void handlerAdded(ChannelHandlerContext ctx) {
    deadline =
        ctx.executor()
            .schedule(
                () ->
                    refuse(
                        ctx,
                        resolving ? HOST_UNREACHABLE : NOT_SUPPORTED,
                        "no request within " + DEADLINE_SECONDS + " s"),
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
    if (!resolving) {
      advance(ctx, received);
    }
  }

  private void advance(ChannelHandlerContext ctx, ByteBuf buffer) {
    while (true) {
      switch (greeted ? request(buffer) : greeting(buffer)) {
        case Step.NeedMore _ -> {
          return;
        }
        case Step.Refused(String reason) -> {
          refuse(ctx, NOT_SUPPORTED, reason);
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
        case Step.NamedTarget(String host, int port) -> {
          resolve(ctx, host, port);
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

  private Step request(ByteBuf buffer) {
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
    if (type == NAME && names != null) {
      return namedRequest(buffer);
    }
    if (type == NAME) {
      return new Step.Refused("a host name (expected: an address; names need the DNS proxy)");
    }
    if (type != IPV4 && type != IPV6) {
      return new Step.Refused("address type " + type + " (expected: 1, 3 or 4)");
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

  private static Step namedRequest(ByteBuf buffer) {
    int start = buffer.readerIndex() + 4;
    if (buffer.writerIndex() == start) {
      return new Step.NeedMore();
    }
    int length = buffer.getUnsignedByte(start);
    if (length == 0) {
      return new Step.Refused("an empty host name");
    }
    if (buffer.writerIndex() < start + 1 + length + 2) {
      return new Step.NeedMore();
    }
    byte[] name = new byte[length];
    buffer.skipBytes(5).readBytes(name);
    int port = buffer.readUnsignedShort();
    try {
      return new Step.NamedTarget(
          UTF_8.newDecoder().decode(ByteBuffer.wrap(name)).toString(), port);
    } catch (CharacterCodingException _) {
      return new Step.Refused("a host name of other bytes than UTF-8");
    }
  }

  /** Reads no more meanwhile: what comes is for the upstream. */
  private void resolve(ChannelHandlerContext ctx, String host, int port) {
    Names resolver = Objects.requireNonNull(names);
    resolving = true;
    ctx.channel().config().setAutoRead(false);
    resolver
        .resolve(ctx.channel().eventLoop(), host)
        .addListener(
            (Future<List<InetAddress>> addresses) -> {
              if (ctx.isRemoved() || received == null) {
                return; // it took too long, or the client has gone
              }
              if (addresses.isSuccess()) {
                InetAddress first = addresses.getNow().getFirst();
                handOver(ctx, received, new InetSocketAddress(first, port));
              } else {
                refuse(ctx, HOST_UNREACHABLE, String.valueOf(addresses.cause().getMessage()));
              }
            });
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

  private void refuse(ChannelHandlerContext ctx, int code, String reason) {
    ProxyLog.socksRefused(ctx.channel().remoteAddress(), reason);
    ctx.writeAndFlush(reply(ctx, code)).addListener(_ -> ctx.close());
    ctx.pipeline().remove(this);
  }
}
