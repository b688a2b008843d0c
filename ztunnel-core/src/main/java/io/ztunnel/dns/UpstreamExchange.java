package io.ztunnel.dns;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.netty.channel.FixedRecvByteBufAllocator;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.socket.DatagramChannel;
import io.netty.channel.socket.DatagramPacket;
import io.netty.handler.codec.LengthFieldBasedFrameDecoder;
import io.netty.util.NetUtil;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.netty.util.concurrent.ScheduledFuture;
import io.ztunnel.hbone.ConnectErrors;
import io.ztunnel.redirection.SocketFactory;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * One question to one name server: by datagram, and by TCP if the answer does not fit. Confined to
 * its event loop.
 *
 * <p>Each question has a socket and an id of its own. The kernel drops datagrams of other senders;
 * one that is no answer to the question is ignored, since a liar may be faster than the server. On
 * a TCP connection it ends the exchange.
 */
final class UpstreamExchange {
  private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(5);
  private static final int MAX_DATAGRAM_BYTES = 4096;

  private final EventLoop loop;
  private final SocketFactory sockets;
  private final ResolverSettings settings;
  private final RandomGenerator random;
  private final InetSocketAddress server;
  private final Question question;
  private final Promise<UpstreamMessage> result;
  private int id;
  private @Nullable Future<? extends Channel> opening;
  private @Nullable Channel channel;
  private @Nullable ScheduledFuture<?> timer;

  UpstreamExchange(
      EventLoop loop,
      SocketFactory sockets,
      ResolverSettings settings,
      RandomGenerator random,
      InetSocketAddress server,
      Question question) {
    this.loop = loop;
    this.sockets = sockets;
    this.settings = settings;
    this.random = random;
    this.server = server;
    this.question = question;
    this.result = loop.newPromise();
  }

  /** The answer; fails when there is none in time. Cancelling it ends the exchange. */
  Future<UpstreamMessage> start() {
    assert loop.inEventLoop();
    result.addListener(_ -> release());
    restartTimer();
    Future<DatagramChannel> opened = sockets.connectDatagrams(loop, server, new DatagramAnswers());
    opening = opened;
    opened.addListener((Future<DatagramChannel> done) -> onOpen(done));
    return result;
  }

  private void restartTimer() {
    if (timer != null) {
      timer.cancel(false);
    }
    timer =
        loop.schedule(
            () -> fail("no answer within %d ms".formatted(settings.timeout().toMillis()), null),
            settings.timeout().toNanos(),
            TimeUnit.NANOSECONDS);
  }

  private void onOpen(Future<? extends Channel> opened) {
    assert loop.inEventLoop();
    if (!opened.isSuccess()) {
      fail(opened.cause());
      return;
    }
    Channel open = opened.getNow();
    if (result.isDone()) {
      open.close();
      return;
    }
    channel = open;
    id = random.nextInt(1 << 16);
    byte[] request = UpstreamMessage.request(id, question, settings.edns());
    ByteBuf message =
        open instanceof DatagramChannel
            ? Unpooled.wrappedBuffer(request)
            : Unpooled.wrappedBuffer(lengthOf(request), request);
    open.writeAndFlush(message)
        .addListener(
            written -> {
              if (!written.isSuccess()) {
                fail(written.cause());
              }
            });
  }

  private static byte[] lengthOf(byte[] message) {
    return new byte[] {(byte) (message.length >> 8), (byte) message.length};
  }

  private void onDatagram(byte[] message) {
    assert loop.inEventLoop();
    if (result.isDone() || !(channel instanceof DatagramChannel)) {
      return; // it came while the socket closed
    }
    UpstreamMessage answer;
    try {
      answer = UpstreamMessage.read(message, id, question);
    } catch (MalformedMessageException e) {
      DnsLog.ignored(server, e);
      return;
    }
    if (answer.truncated()) {
      askByTcp();
    } else {
      result.trySuccess(answer);
    }
  }

  private void askByTcp() {
    if (channel != null) {
      channel.close();
      channel = null;
    }
    restartTimer();
    Future<Channel> opened =
        sockets.connect(loop, server, null, new StreamAnswers(), CONNECT_TIMEOUT);
    opening = opened;
    opened.addListener((Future<Channel> done) -> onOpen(done));
  }

  private void onStreamMessage(byte[] message) {
    assert loop.inEventLoop();
    try {
      UpstreamMessage answer = UpstreamMessage.read(message, id, question);
      if (answer.truncated()) {
        throw new MalformedMessageException("truncated by TCP (expected: all of it)");
      }
      result.trySuccess(answer);
    } catch (MalformedMessageException e) {
      fail(e);
    }
  }

  private void fail(Throwable cause) {
    fail(ConnectErrors.text(cause), cause);
  }

  private void fail(String reason, @Nullable Throwable cause) {
    result.tryFailure(
        new IOException(NetUtil.toSocketAddressString(server) + ": " + reason, cause));
  }

  private void release() {
    if (timer != null) {
      timer.cancel(false);
    }
    if (channel != null) {
      channel.close();
    } else if (opening != null) {
      opening.cancel(false);
    }
  }

  private final class DatagramAnswers extends SimpleChannelInboundHandler<DatagramPacket> {
    @Override
    public void handlerAdded(ChannelHandlerContext ctx) {
      ctx.channel()
          .config()
          .setOption(
              ChannelOption.RECVBUF_ALLOCATOR, new FixedRecvByteBufAllocator(MAX_DATAGRAM_BYTES));
    }

    @Override
    protected void channelRead0(ChannelHandlerContext ctx, DatagramPacket packet) {
      onDatagram(ByteBufUtil.getBytes(packet.content()));
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
      fail(cause); // nobody listens there
    }
  }

  private final class StreamAnswers extends ChannelInitializer<Channel> {
    @Override
    protected void initChannel(Channel stream) {
      stream
          .pipeline()
          .addLast(
              new LengthFieldBasedFrameDecoder(2 + MessageWriter.MAX_BYTES, 0, 2, 0, 2),
              new SimpleChannelInboundHandler<ByteBuf>() {
                @Override
                protected void channelRead0(ChannelHandlerContext ctx, ByteBuf frame) {
                  onStreamMessage(ByteBufUtil.getBytes(frame));
                }

                @Override
                public void channelInactive(ChannelHandlerContext ctx) {
                  fail("closed before it answered", null);
                }

                @Override
                public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
                  fail(cause);
                }
              });
    }
  }
}
