package io.ztunnel.redirection;

import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelOption;
import io.netty.channel.ChannelPipelineException;
import io.netty.channel.EventLoop;
import io.netty.util.NetUtil;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One attempt to connect a socket that is open already. Confined to the event loop.
 *
 * <p>Registration, bind and connect happen in one turn of the loop: epoll reports a socket that it
 * sees unconnected as hung up.
 */
final class ConnectAttempt {
  private static final Logger LOG = LoggerFactory.getLogger("ztunnel::proxy");

  private final EventLoop loop;
  private final Channel channel;
  private final InetSocketAddress destination;
  private final @Nullable InetAddress source;
  private final SocketOptions options;
  private final Promise<Channel> promise;

  /** The source is null if the kernel is to choose. */
  ConnectAttempt(
      EventLoop loop,
      Channel channel,
      InetSocketAddress destination,
      @Nullable InetAddress source,
      SocketOptions options,
      Promise<Channel> promise) {
    this.loop = loop;
    this.channel = channel;
    this.destination = destination;
    this.source = source;
    this.options = options;
    this.promise = promise;
  }

  void start(ChannelHandler handler, Duration timeout) {
    assert loop.inEventLoop();
    int millis = Math.clamp(timeout.toMillis(), 1, Integer.MAX_VALUE);
    channel.config().setOption(ChannelOption.CONNECT_TIMEOUT_MILLIS, millis);
    try {
      channel.pipeline().addLast(handler);
    } catch (ChannelPipelineException e) { // in use elsewhere, though not sharable
      fail(e);
      return;
    }
    promise.addListener(this::closeIfCancelled);
    ChannelFuture registered = loop.register(channel);
    if (registered.isDone()) { // as it is on every transport; a listener might wait a turn
      onRegistered(registered);
    } else {
      registered.addListener((ChannelFuture done) -> onRegistered(done));
    }
  }

  private void onRegistered(ChannelFuture registered) {
    if (!registered.isSuccess()) {
      fail(registered.cause());
      return;
    }
    if (source != null) {
      bind(new InetSocketAddress(source, 0));
    }
    channel.connect(destination).addListener((ChannelFuture done) -> onConnected(done));
  }

  private void fail(Throwable cause) {
    channel.unsafe().closeForcibly();
    promise.tryFailure(cause);
  }

  /** Without its address the connection is still worth having. */
  private void bind(InetSocketAddress local) {
    Throwable cause = channel.bind(local).cause();
    if (cause != null) {
      LOG.warn(
          "cannot connect to {} from {}, using an own address: {}",
          NetUtil.toSocketAddressString(destination),
          NetUtil.toAddressString(local.getAddress()),
          IoFailure.reason(cause));
    }
  }

  private void onConnected(ChannelFuture connected) {
    if (!connected.isSuccess()) {
      channel.close();
      promise.tryFailure(connected.cause());
      return;
    }
    if (source != null) {
      options.restoredMark(channel);
    }
    if (!promise.trySuccess(channel)) {
      channel.close(); // cancelled meanwhile
    }
  }

  private void closeIfCancelled(Future<? super Channel> result) {
    if (result.isCancelled()) {
      channel.close();
    }
  }
}
