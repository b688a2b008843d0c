package io.ztunnel.hbone;

import io.netty.buffer.ByteBuf;
import io.netty.channel.AbstractChannel;
import io.netty.channel.ChannelConfig;
import io.netty.channel.ChannelMetadata;
import io.netty.channel.ChannelOutboundBuffer;
import io.netty.channel.ChannelPromise;
import io.netty.channel.DefaultChannelConfig;
import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import java.net.SocketAddress;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A channel whose bytes are those of a tunnel, so that TLS and HTTP/2 run inside a tunnel as they
 * run on a socket. Active from the start until either side ends it: to those above, half of it is
 * nothing.
 *
 * <pre>
 *   OPEN --close, end of the tunnel's input--> LINGERING --both halves ended, time up--> OVER
 *     '----------------------- reset, connection lost ----------------------------------'
 * </pre>
 *
 * <p>What is written waits in the channel's buffer while the tunnel takes no more, so that {@link
 * #isWritable()} tells of the whole way. Reading is never paused: HTTP/2 above has windows of its
 * own, and what it holds is bounded by them. A close lets everything out that the tunnel has taken,
 * and ends it in order; only a peer that does not end its half in time is reset.
 *
 * <p>Confined to the tunnel's event loop, with which it must be registered.
 */
final class TunnelChannel extends AbstractChannel implements TunnelListener {
  /** How long the peer may take to end its half once ours has ended. */
  static final long LINGER_MILLIS = 5_000;

  private static final ChannelMetadata METADATA = new ChannelMetadata(false);

  private enum State {
    OPEN,
    LINGERING,
    OVER
  }

  private final Tunnel tunnel;
  private final SocketAddress peer;
  private final ChannelConfig config = new DefaultChannelConfig(this);
  private State state = State.OPEN;

  /** The tunnel has ended by itself: there is nobody to take leave of. */
  private boolean tunnelIsOver;

  /** In the middle of handing bytes to the tunnel: an end has to wait for them. */
  private boolean isHandingOn;

  private @Nullable Future<?> lingerTimer;

  /**
   * @param peer what is at the tunnel's end, as far as it is known
   */
  TunnelChannel(Tunnel tunnel, SocketAddress peer) {
    super(null);
    this.tunnel = tunnel;
    this.peer = peer;
  }

  // TunnelListener

  @Override
  public void onData(ByteBuf payload) {
    int bytes = payload.readableBytes();
    if (state == State.OPEN) {
      pipeline().fireChannelRead(payload);
    } else {
      payload.release();
    }
    tunnel.consumed(bytes);
  }

  @Override
  public void onReadComplete() {
    if (state == State.OPEN) {
      pipeline().fireChannelReadComplete();
    }
  }

  @Override
  public void onEndOfStream() {
    unsafe().close(voidPromise());
  }

  @Override
  public void onWritabilityChanged() {
    if (state == State.OPEN) {
      ((TunnelUnsafe) unsafe()).writeOn();
    }
  }

  @Override
  public void onTerminated(TunnelTermination cause) {
    if (state == State.OPEN) {
      tunnelIsOver = true;
      pipeline().fireExceptionCaught(new OuterTunnelEndedException(cause));
      unsafe().close(voidPromise());
    } else {
      over();
    }
  }

  @Override
  public void onFinished() {
    over(); // our half ends by a close only
  }

  private void over() {
    state = State.OVER;
    if (lingerTimer != null) {
      lingerTimer.cancel(false);
      lingerTimer = null;
    }
  }

  // AbstractChannel

  @Override
  protected void doWrite(ChannelOutboundBuffer in) {
    while (in.current() instanceof ByteBuf payload) {
      if (!tunnel.isWritable()) {
        return; // the tunnel will tell
      }
      handOn(in, payload.retain());
    }
  }

  private void handOn(ChannelOutboundBuffer in, ByteBuf own) {
    isHandingOn = true;
    try {
      // First: a frame's header goes in front of a buffer that nobody else has. Who hears that it
      // is written may close the channel, as TLS does after its close_notify.
      in.remove();
      tunnel.write(own);
    } finally {
      isHandingOn = false;
    }
    if (state == State.LINGERING) {
      tunnel.shutdownOutput();
    }
  }

  @Override
  protected Object filterOutboundMessage(Object message) {
    if (!(message instanceof ByteBuf)) {
      throw new UnsupportedOperationException("not bytes: " + message.getClass().getName());
    }
    return message;
  }

  @Override
  protected void doClose() {
    if (tunnelIsOver) {
      over();
    } else if (state == State.OPEN) {
      state = State.LINGERING;
      lingerTimer = eventLoop().schedule(this::giveUp, LINGER_MILLIS, TimeUnit.MILLISECONDS);
      if (!isHandingOn) {
        tunnel.shutdownOutput();
      }
    }
  }

  private void giveUp() {
    if (state == State.LINGERING) {
      over();
      tunnel.reset(TunnelReset.CANCEL);
    }
  }

  @Override
  public boolean isOpen() {
    return state == State.OPEN;
  }

  @Override
  public boolean isActive() {
    return state == State.OPEN;
  }

  @Override
  protected boolean isCompatible(EventLoop loop) {
    return loop.equals(tunnel.eventLoop());
  }

  @Override
  public ChannelConfig config() {
    return config;
  }

  @Override
  public ChannelMetadata metadata() {
    return METADATA;
  }

  @Override
  protected @Nullable SocketAddress localAddress0() {
    return null;
  }

  @Override
  protected SocketAddress remoteAddress0() {
    return peer;
  }

  @Override
  protected void doBeginRead() {
    // What arrives is passed on as it comes.
  }

  @Override
  protected void doBind(SocketAddress address) {
    throw new UnsupportedOperationException("a tunnel has no address to bind");
  }

  @Override
  protected void doDisconnect() {
    doClose();
  }

  @Override
  protected AbstractUnsafe newUnsafe() {
    return new TunnelUnsafe();
  }

  private final class TunnelUnsafe extends AbstractUnsafe {
    /** Writes what waits. */
    void writeOn() {
      flush0();
    }

    @Override
    public void connect(SocketAddress remote, SocketAddress local, ChannelPromise promise) {
      promise.tryFailure(new UnsupportedOperationException("a tunnel is connected from the start"));
    }
  }
}
