package io.ztunnel.xds;

import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import io.netty.channel.EventLoop;
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
  private final EventLoop loop;
  private final Runnable release;
  private final AtomicBoolean closed = new AtomicBoolean();

  /**
   * A channel of its owner's.
   *
   * @param release gives back what connections use; called on the loop after the last has ended, or
   *     never if the loop ends first
   */
  ControlPlaneChannel(
      ManagedChannel channel, ControlPlane controlPlane, EventLoop loop, Runnable release) {
    this.channel = channel;
    this.calls = ClientInterceptors.intercept(channel, new CallMetadata(controlPlane));
    this.loop = loop;
    this.release = release;
  }

  /** What calls are made on; each is given the metadata of the control plane. */
  public Channel calls() {
    return calls;
  }

  /**
   * Whether the last attempt to connect has failed. Calls fail then until a pause of the channel's
   * own is over; owners that pause themselves open another one instead.
   */
  public boolean hasFailed() {
    return channel.getState(false) == ConnectivityState.TRANSIENT_FAILURE;
  }

  /** Ends the connection and all its calls, and returns at once. May be called twice. */
  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      channel.shutdownNow();
      try {
        loop.execute(this::releaseWhenTerminated);
      } catch (RejectedExecutionException _) {
        // The loop has ended, and whoever ended it gives back what is left.
      }
    }
  }

  /** A handshake that has begun may still use the context. */
  private void releaseWhenTerminated() {
    if (channel.isTerminated()) {
      release.run();
    } else {
      loop.schedule(this::releaseWhenTerminated, POLL_MILLIS, TimeUnit.MILLISECONDS);
    }
  }
}
