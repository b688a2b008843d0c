package io.ztunnel.proxy;

import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.FutureListener;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import org.jspecify.annotations.Nullable;

/**
 * One TCP connection to an upstream that is being made: its pipeline is a leg, ready before the
 * first event. Used once; confined to the event loop of the connection that it is made for.
 */
final class UpstreamDial extends ChannelInitializer<Channel> implements FutureListener<Channel> {
  /** Who waits for it. Hears one of these, unless it has cancelled. */
  interface Listener {
    void onConnected(TcpLeg leg);

    void onDialFailed(Throwable cause);
  }

  private final EventLoop loop;
  private final Listener listener;
  private @Nullable TcpLeg leg;
  private @Nullable Future<Channel> connecting;
  private boolean cancelled;

  UpstreamDial(EventLoop loop, Listener listener) {
    this.loop = loop;
    this.listener = listener;
  }

  /**
   * Begins; the listener may hear of the outcome before this returns.
   *
   * @param source the address that the upstream is to see; null: the kernel's choice
   */
  void begin(PodProxy proxy, InetSocketAddress target, @Nullable InetAddress source) {
    assert loop.inEventLoop();
    connecting =
        proxy
            .sockets()
            .connect(loop, target, source, this, proxy.settings().connectTimeout())
            .addListener(this);
  }

  /** The listener hears nothing any more; a connection that stands all the same is reset. */
  void cancel() {
    assert loop.inEventLoop();
    cancelled = true;
    if (connecting != null) {
      connecting.cancel(false);
    }
  }

  @Override
  protected void initChannel(Channel channel) {
    PodProxy.prepare(channel);
    TcpLeg made = new TcpLeg(channel);
    channel.pipeline().addLast(made.handler());
    leg = made;
  }

  @Override
  public void operationComplete(Future<Channel> done) {
    if (cancelled) {
      if (done.isSuccess()) {
        TcpLeg.reset(done.getNow());
      }
    } else if (done.isSuccess()) {
      listener.onConnected(leg());
    } else {
      listener.onDialFailed(done.cause());
    }
  }

  private TcpLeg leg() {
    if (leg == null) {
      throw new IllegalStateException("connected without a pipeline");
    }
    return leg;
  }
}
