package io.ztunnel.admin;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFactory;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.FixedRecvByteBufAllocator;
import io.netty.channel.ServerChannel;
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.timeout.WriteTimeoutHandler;
import io.netty.util.NetUtil;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.ImmediateEventExecutor;
import io.netty.util.concurrent.Promise;
import io.ztunnel.log.Log;
import io.ztunnel.log.LogLevel;
import io.ztunnel.redirection.SocketFactory;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A small HTTP/1.1 server for operators: one service on one or more addresses. Requests have 2 s
 * and 8 KiB for their head; answers have half a minute to be taken; a bounded number of connections
 * is open at a time. Where there are that many, the one that has rested the longest makes room for
 * a new one: nobody can keep the others out by connections that ask nothing.
 *
 * <p>Started and drained by the thread that owns the process; the channels belong to the loops of
 * the group.
 */
final class HttpServer {
  /** Sent through a pipeline when the connection is to end after the answers that it owes. */
  enum Drain {
    DRAIN
  }

  private static final Log LOG = Log.target("ztunnel::hyper_util");
  private static final int MAX_HEAD_BYTES = 8 << 10;
  private static final int MAX_BODY_BYTES = 8 << 10;
  private static final int MAX_CONNECTIONS = 512;

  /** What one turn reads of a connection: a head or two, however many requests a client sends. */
  private static final int READ_BYTES = 2 << 10;

  private static final Duration BIND = Duration.ofSeconds(5);
  private static final int WRITE_SECONDS = 30;

  private final String component;
  private final HttpService service;
  private final EventLoopGroup loops;
  private final ChannelFactory<? extends ServerChannel> transport;
  private final ChannelGroup listeners;

  /** Of the listeners, in the order of the addresses they were asked for; set by the start. */
  private List<InetSocketAddress> bound = List.of();

  private final ChannelGroup connections;
  private final RestingConnections resting = new RestingConnections();
  // Written by drain, read when a connection is accepted on another loop at the same moment.
  private volatile boolean draining;

  private volatile boolean leaving;

  HttpServer(
      String component,
      HttpService service,
      EventLoopGroup loops,
      ChannelFactory<? extends ServerChannel> transport) {
    this.component = component;
    this.service = service;
    this.loops = loops;
    this.transport = transport;
    this.listeners = new DefaultChannelGroup(loops.next());
    this.connections = new DefaultChannelGroup(loops.next());
  }

  /**
   * Binds all addresses, or none. Waits for the system, so not on an event loop.
   *
   * @throws BindFailedException if one cannot be bound
   * @return the addresses bound, with the ports that stand for port 0
   */
  List<InetSocketAddress> start(List<InetSocketAddress> addresses) throws BindFailedException {
    var bootstrap =
        new ServerBootstrap()
            .group(loops)
            .channelFactory(transport)
            .option(ChannelOption.SO_REUSEADDR, true)
            .childOption(ChannelOption.TCP_NODELAY, true)
            .childOption(
                ChannelOption.RECVBUF_ALLOCATOR,
                new FixedRecvByteBufAllocator(READ_BYTES).maxMessagesPerRead(1))
            .childOption(ChannelOption.ALLOW_HALF_CLOSURE, true)
            .childHandler(
                new ChannelInitializer<Channel>() {
                  @Override
                  protected void initChannel(Channel channel) throws IOException {
                    SocketFactory.prepare(channel);
                    onAccepted(channel);
                  }
                });
    List<InetSocketAddress> all = new ArrayList<>();
    for (InetSocketAddress address : addresses) {
      ChannelFuture binding = bootstrap.bind(address);
      boolean done = binding.awaitUninterruptibly(BIND.toMillis(), TimeUnit.MILLISECONDS);
      if (!done || !binding.isSuccess()) {
        binding.channel().close();
        listeners.close().awaitUninterruptibly(BIND.toMillis(), TimeUnit.MILLISECONDS);
        String reason =
            done ? String.valueOf(binding.cause().getMessage()) : "no answer in " + BIND;
        throw new BindFailedException(component, address, reason);
      }
      listeners.add(binding.channel());
      all.add((InetSocketAddress) binding.channel().localAddress());
    }
    bound = List.copyOf(all);
    log("listener established");
    return bound;
  }

  /** Names the first address: the others are the same place in another family. */
  private void log(String message) {
    LOG.at(LogLevel.INFO, message)
        .display("address", NetUtil.toSocketAddressString(bound.getFirst()))
        .string("component", component)
        .log();
  }

  private void onAccepted(Channel channel) {
    if (connections.size() >= MAX_CONNECTIONS && !makeRoom()) {
      channel.close();
      return;
    }
    connections.add(channel);
    var deadline = new HeadDeadline();
    channel
        .pipeline()
        .addLast(new WriteTimeoutHandler(WRITE_SECONDS))
        .addLast(deadline)
        .addLast(new HttpServerCodec(MAX_HEAD_BYTES, MAX_HEAD_BYTES, MAX_BODY_BYTES))
        .addLast(new HttpObjectAggregator(MAX_BODY_BYTES))
        .addLast(new RequestHandler(service, deadline, resting, () -> leaving));
    if (draining) {
      channel.close();
    }
  }

  private boolean makeRoom() {
    @Nullable Channel longest = resting.poll();
    if (longest == null) {
      return false;
    }
    longest.pipeline().fireUserEventTriggered(Drain.DRAIN);
    return true;
  }

  /**
   * From now on a connection ends with the answers that it is owed, and a new one with its first
   * answer: what is asked for time and again keeps no tunnel open that a drain waits for.
   */
  void leaveConnections() {
    leaving = true;
    endConnections();
  }

  private void endConnections() {
    for (Channel connection : connections) {
      connection.pipeline().fireUserEventTriggered(Drain.DRAIN);
    }
  }

  /**
   * Accepts no more, and closes each connection after the answers it is owed. Answers nobody takes
   * are given up by the write timeout.
   */
  Future<Void> drain() {
    draining = true;
    Promise<Void> drained = ImmediateEventExecutor.INSTANCE.newPromise();
    listeners
        .close()
        .addListener(
            _ -> {
              if (!bound.isEmpty()) {
                log("listener drained");
              }
              endConnections();
              connections.newCloseFuture().addListener(_ -> drained.trySuccess(null));
            });
    return drained;
  }
}
