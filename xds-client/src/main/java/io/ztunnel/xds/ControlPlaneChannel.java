package io.ztunnel.xds;

import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import io.netty.channel.EventLoop;
import io.netty.handler.ssl.SslContext;
import io.netty.util.ReferenceCountUtil;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A channel to one service of the control plane. It connects at the first call, believes the roots
 * that were there when it was opened, and reads the token for each call. Any thread; belongs to
 * whoever opened it.
 */
public final class ControlPlaneChannel implements AutoCloseable {
  private static final long POLL_MILLIS = 50;

  private final ManagedChannel channel;
  private final Channel calls;
  private final SslContext tls;
  private final EventLoop loop;
  private final AtomicBoolean closed = new AtomicBoolean();

  ControlPlaneChannel(
      ManagedChannel channel, ControlPlane controlPlane, SslContext tls, EventLoop loop) {
    this.channel = channel;
    this.calls = ClientInterceptors.intercept(channel, new CallMetadata(controlPlane));
    this.tls = tls;
    this.loop = loop;
  }

  /** What calls are made on; each is given the metadata of the control plane. */
  public Channel calls() {
    return calls;
  }

  /**
   * Connects for the next call at once, without the pause after failed attempts: for owners that
   * pause themselves.
   */
  public void connectNow() {
    channel.resetConnectBackoff();
  }

  /** Whether there is a connection on which calls can be made. */
  boolean isConnected() {
    return channel.getState(false) == ConnectivityState.READY;
  }

  /** Ends the connection and all its calls, and returns at once. May be called twice. */
  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      channel.shutdownNow();
      try {
        loop.execute(this::release);
      } catch (RejectedExecutionException _) {
        ReferenceCountUtil.release(tls); // the loop has ended, and with it all that used this
      }
    }
  }

  /** A handshake that has begun may still use the context. */
  private void release() {
    if (channel.isTerminated() || loop.isShuttingDown()) {
      ReferenceCountUtil.release(tls);
    } else {
      loop.schedule(this::release, POLL_MILLIS, TimeUnit.MILLISECONDS);
    }
  }
}
