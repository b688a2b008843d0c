package io.ztunnel.hbone;

import io.netty.buffer.ByteBuf;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelOption;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.channel.socket.DuplexChannel;
import io.netty.util.concurrent.Future;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * What a gateway does with each outer tunnel: passes its bytes on, untouched, over a TCP connection
 * to a backend. Confined to the loop; what it has seen may be read by any thread.
 */
public final class StandInGateway implements ConnectHandler {
  /** How it connects to a backend. */
  public interface Dialer {
    Future<Channel> dial(InetSocketAddress backend, ChannelHandler handler);
  }

  private final List<InboundConnect> connects = new CopyOnWriteArrayList<>();
  private final List<String> ends = new CopyOnWriteArrayList<>();
  private final Dialer dialer;
  private final IntFunction<InetSocketAddress> backend;

  /** By what it refuses a tunnel whose backend it cannot reach. */
  volatile int refusal = 503;

  /**
   * @param backend of the n-th tunnel, from 0
   */
  public StandInGateway(Dialer dialer, IntFunction<InetSocketAddress> backend) {
    this.dialer = dialer;
    this.backend = backend;
  }

  /** The outer tunnels that were asked for. */
  public List<InboundConnect> connects() {
    return connects;
  }

  /** How outer tunnels have ended. */
  public List<String> ends() {
    return ends;
  }

  @Override
  public void onEstablished(TlsPeer peer) {}

  @Override
  public void onConnect(InboundConnect connect) {
    connects.add(connect);
    Passage passage = new Passage();
    dialer
        .dial(backend.apply(connects.size() - 1), passage)
        .addListener(
            (Future<Channel> done) -> {
              if (done.isSuccess()) {
                passage.channel = done.getNow();
                passage.tunnel = connect.accept(ConnectAnswer.PLAIN, passage);
                passage.channel().config().setAutoRead(true);
              } else {
                connect.reject(refusal);
              }
            });
  }

  @Override
  public void onHandshakeFailed(HboneFailure failure) {
    ends.add(failure.message());
  }

  @Override
  public void onClosed() {}

  /** One tunnel and its connection to the backend. */
  private final class Passage extends ChannelInboundHandlerAdapter implements TunnelListener {
    private @Nullable Channel channel;
    private @Nullable Tunnel tunnel;

    private Channel channel() {
      return Objects.requireNonNull(channel);
    }

    private Tunnel tunnel() {
      return Objects.requireNonNull(tunnel);
    }

    @Override
    public void handlerAdded(ChannelHandlerContext ctx) {
      ctx.channel().config().setAutoRead(false);
      ctx.channel().config().setOption(ChannelOption.ALLOW_HALF_CLOSURE, true);
    }

    @Override
    public void onData(ByteBuf payload) {
      int bytes = payload.readableBytes();
      channel().writeAndFlush(payload).addListener(_ -> tunnel().consumed(bytes));
    }

    @Override
    public void onReadComplete() {}

    @Override
    public void onEndOfStream() {
      channel()
          .writeAndFlush(channel().alloc().buffer(0))
          .addListener(_ -> ((DuplexChannel) channel()).shutdownOutput());
    }

    @Override
    public void onWritabilityChanged() {
      if (tunnel().isWritable()) {
        channel().config().setAutoRead(true);
      }
    }

    @Override
    public void onTerminated(TunnelTermination cause) {
      ends.add(cause.toString());
      channel().close();
    }

    @Override
    public void onFinished() {
      ends.add("finished");
      channel().close();
    }

    @Override
    public void channelRead(ChannelHandlerContext ctx, Object message) {
      tunnel().write((ByteBuf) message);
      if (!tunnel().isWritable()) {
        channel().config().setAutoRead(false);
      }
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
      if (event instanceof ChannelInputShutdownEvent) {
        tunnel().shutdownOutput();
      }
    }

    @Override
    @SuppressWarnings("deprecation") // the interface of inbound handlers is not
    public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
      tunnel().reset(TunnelReset.CONNECT_ERROR);
      ctx.close();
    }
  }
}
