package io.ztunnel.redirection;

import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.ServerChannel;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.socket.DatagramChannel;
import io.netty.channel.socket.SocketProtocolFamily;
import io.netty.channel.unix.Socket;
import io.netty.channel.unix.UnixChannel;
import io.netty.channel.uring.IoUringSocketChannel;
import io.netty.util.NetUtil;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.ztunnel.redirection.ListenerSettings.ListenAddress;
import java.io.IOException;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.channels.NotYetConnectedException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Opens the sockets of one network namespace: listeners, connections to where a pod or its clients
 * want to go, and those of datagrams. Immutable; callable from any thread. Does not own the
 * namespace.
 *
 * <p>Sockets are opened on the given event loops, whose threads enter the namespace for that moment
 * only. Once open, a socket belongs to its namespace whichever thread uses it.
 */
public final class SocketFactory {
  private static final Logger LOG = LoggerFactory.getLogger("ztunnel::socket");

  /** As many connections as the kernel may finish before they are accepted. */
  private static final int BACKLOG = 1024;

  /** Nobody sends from here (RFC 863). */
  private static final int DISCARD_PORT = 9;

  private static final InetAddress ANY_IPV4 = Addresses.ofBytes(new byte[4]);
  private static final InetAddress ANY_IPV6 = Addresses.ofBytes(new byte[16]);

  private final Transport transport;
  private final NetworkNamespace namespace;
  private final SocketSettings settings;
  private final SocketOptions options;

  /**
   * @throws IllegalArgumentException if the settings ask for a mark that the transport cannot set
   */
  public SocketFactory(Transport transport, NetworkNamespace namespace, SocketSettings settings) {
    this.transport = transport;
    this.namespace = namespace;
    this.settings = settings;
    this.options = new SocketOptions(transport, settings);
  }

  /**
   * True if a listener, or a connection that one accepted, may take and give foreign addresses: the
   * outcome of {@link SocketSettings.Transparency#BEST_EFFORT}. Called on the channel's event loop.
   */
  public static boolean isTransparent(Channel channel) {
    return SocketOptions.isTransparent(channel);
  }

  /**
   * Probes an open connection in this way from now on, as far as its transport can. A dead peer is
   * found as soon as the probes tell, whatever the connection's TCP_USER_TIMEOUT. Called on the
   * channel's event loop.
   */
  public static void probe(Channel channel, SocketSettings.Keepalive keepalive) {
    SocketOptions.probe(channel, keepalive);
  }

  /**
   * Makes a socket fit for its transport, as all are that this class opens and that its listeners
   * accept. Called before the channel is used.
   *
   * <p>With io_uring the kernel waits itself for room to send. Of a socket that refuses to wait, a
   * vectored write is refused once the peer has ended its half, and Netty polls for room; but
   * io_uring ends every poll at once when a peer has ended its half. Netty takes that answer for
   * another poll's, and waits for one that it has had: what is left is never sent, and a channel
   * that is closed then stays registered.
   *
   * @throws IOException if the system refuses
   */
  public static void prepare(Channel channel) throws IOException {
    if (channel instanceof IoUringSocketChannel uring) {
      Libc.makeBlocking(uring.fd().intValue());
    }
  }

  /**
   * Lets the bytes that are written next wait for {@link #sendFin}, so that the last of them and
   * FIN are one packet. Called on the channel's event loop.
   */
  public static void holdForFin(Channel channel) {
    if (channel instanceof EpollSocketChannel) {
      SocketOptions.cork(channel);
    }
  }

  /**
   * Sends FIN at once; nothing may be queued, and nothing be written after. Instead of Netty's own
   * way, which makes an exception with its stack trace for each connection that ends. Called on the
   * channel's event loop.
   *
   * @return false if the transport has no such way, and nothing was done
   * @throws IOException if the connection has failed meanwhile
   */
  public static boolean sendFin(Channel channel) throws IOException {
    if (channel instanceof EpollSocketChannel epoll && epoll.fd() instanceof Socket socket) {
      try {
        socket.shutdown(false, true);
      } catch (NotYetConnectedException e) { // so Netty calls one that its peer has reset
        throw new IOException("not connected", e);
      }
      return true;
    }
    return false;
  }

  /**
   * The error that has ended a connection, or null if there is none. Tells it once. For connections
   * whose input has ended: their channel does not notice by itself that a probe found nobody, until
   * it writes. Always null on a transport without the kernel's options (NIO). Called on the
   * channel's event loop.
   */
  public static @Nullable IOException takeError(Channel channel) {
    return SocketOptions.takeError(channel);
  }

  /**
   * How many bytes the peer has acknowledged, however slowly; 0 on a transport without the kernel's
   * options (NIO) and for a connection that is closed. Called on the channel's event loop.
   */
  public static long acknowledgedBytes(Channel channel) {
    return SocketOptions.acknowledgedBytes(channel);
  }

  /**
   * Whether the peer has acknowledged all bytes and the FIN after them, once that was sent; true on
   * a transport without the kernel's options (NIO) and for a connection that is closed. Called on
   * the channel's event loop.
   */
  public static boolean isEndAcknowledged(Channel channel) {
    return SocketOptions.isEndAcknowledged(channel);
  }

  /**
   * What the peer leaves unanswered; nothing on a transport without the kernel's options (NIO) and
   * for a connection that is closed. Called on the channel's event loop.
   */
  public static Unanswered unanswered(Channel channel) {
    return SocketOptions.unanswered(channel);
  }

  /**
   * Listens. A wildcard is {@code [::]} for both families, or {@code 0.0.0.0} where IPv6 is off by
   * the settings or not to be had in the namespace. The future completes on the boss loop, which
   * also accepts; a failure's message is {@code failed to bind to address ADDRESS: REASON}.
   *
   * @param workers whose loops the accepted connections are registered with, in turn
   * @param accepted gets every accepted connection, which does not read yet; sharable, such as a
   *     {@code ChannelInitializer}
   */
  public Future<ServerChannel> listen(
      EventLoop boss, EventLoopGroup workers, ListenerSettings listener, ChannelHandler accepted) {
    Promise<ServerChannel> promise = boss.newPromise();
    Acceptor acceptor = new Acceptor(workers, options, accepted, listener.keepalive());
    runOn(boss, promise, () -> listen(boss, listener, acceptor, promise));
    return promise;
  }

  private void listen(
      EventLoop boss,
      ListenerSettings listener,
      Acceptor acceptor,
      Promise<ServerChannel> promise) {
    assert boss.inEventLoop();
    InetSocketAddress address = bindAddress(listener.address());
    ServerChannel channel;
    try {
      channel = openServerChannel(address, listener.marking());
    } catch (IOException e) {
      promise.tryFailure(bindFailure(address, e));
      return;
    }
    channel.pipeline().addLast(acceptor);
    ChannelFuture registered = boss.register(channel);
    if (registered.cause() != null) {
      channel.unsafe().closeForcibly();
      promise.tryFailure(bindFailure(address, registered.cause()));
      return;
    }
    channel
        .bind(address)
        .addListener((ChannelFuture bound) -> onBound(channel, address, bound, promise));
  }

  private void onBound(
      ServerChannel channel,
      InetSocketAddress address,
      ChannelFuture bound,
      Promise<ServerChannel> promise) {
    if (!bound.isSuccess()) {
      channel.close();
      promise.tryFailure(bindFailure(address, bound.cause()));
    } else {
      options.migrateQueue(channel);
      if (!promise.trySuccess(channel)) {
        channel.close(); // cancelled meanwhile
      }
    }
  }

  /** Whether another process may listen on the same ports meanwhile. */
  public boolean sharesPorts() {
    return settings.portReuse();
  }

  /**
   * How many sockets, of any process, listen in the namespace, by port; ports where none does are
   * missing. Reads {@code /proc}: for a platform thread that may do so.
   */
  public Map<Integer, Integer> listeners() throws IOException {
    return namespace.call(ListenTable::listeners);
  }

  private InetSocketAddress bindAddress(ListenAddress where) {
    return switch (where) {
      case ListenAddress.Wildcard(int port) ->
          new InetSocketAddress(hasIpv6() ? ANY_IPV6 : ANY_IPV4, port);
      case ListenAddress.Exact(InetSocketAddress address) -> Addresses.canonical(address);
    };
  }

  private boolean hasIpv6() {
    try {
      return settings.ipv6() && namespace.hasIpv6();
    } catch (IOException e) {
      LOG.debug("taking IPv6 for granted in {}: {}", namespace, e.getMessage());
      return true;
    }
  }

  private ServerChannel openServerChannel(
      InetSocketAddress address, ListenerSettings.Marking marking) throws IOException {
    SocketProtocolFamily family = family(address.getAddress());
    ServerChannel channel = open(() -> transport.openServerChannel(family));
    try {
      options.reusePort(channel);
      switch (marking) {
        case MARKED -> options.listenerMark(channel);
        case UNMARKED -> {}
      }
      options.transparency(channel);
      channel.config().setOption(ChannelOption.SO_BACKLOG, BACKLOG);
      return channel;
    } catch (IOException | RuntimeException e) {
      channel.unsafe().closeForcibly();
      throw e;
    }
  }

  private static IOException bindFailure(InetSocketAddress address, Throwable cause) {
    return new IOException(
        "failed to bind to address %s: %s"
            .formatted(NetUtil.toSocketAddressString(address), IoFailure.reason(cause)),
        cause);
  }

  /**
   * Connects within the timeout. The handler is in the pipeline before the channel is registered,
   * and may set channel options then. The future completes on the loop; a failure is the socket's
   * own, past the timeout a {@code ConnectTimeoutException}. Cancelling it closes the socket.
   *
   * @param source the address that the destination is to see, or null for the kernel's choice. It
   *     need not be of this machine; if it cannot be had, the connection goes without, and a
   *     warning is logged. The destination is then an application of this namespace.
   */
  public Future<Channel> connect(
      EventLoop loop,
      InetSocketAddress destination,
      @Nullable InetAddress source,
      ChannelHandler handler,
      Duration timeout) {
    Promise<Channel> promise = loop.newPromise();
    InetSocketAddress target = Addresses.canonical(destination);
    // A pod that calls itself: its own address needs no bind.
    InetAddress bound = source == null ? null : Addresses.canonical(source);
    InetAddress foreign = bound == null || bound.equals(target.getAddress()) ? null : bound;
    runOn(
        loop,
        promise,
        () -> {
          Channel channel;
          try {
            channel = openChannel(target, foreign);
          } catch (IOException e) {
            promise.tryFailure(e);
            return;
          }
          new ConnectAttempt(loop, channel, target, foreign, options, promise)
              .start(handler, timeout);
        });
    return promise;
  }

  private Channel openChannel(InetSocketAddress target, @Nullable InetAddress source)
      throws IOException {
    InetAddress address = target.getAddress();
    if (address == null) {
      throw new IOException("%s (expected: a resolved address)".formatted(target));
    }
    if (source != null && family(source) != family(address)) {
      throw new IOException(
          "source %s and destination %s are of different address families"
              .formatted(NetUtil.toAddressString(source), NetUtil.toSocketAddressString(target)));
    }
    Channel channel = open(() -> transport.openChannel(family(address)));
    try {
      prepare(channel);
      options.mark(channel); // and TCP_NODELAY is on: Netty opens every connection so
      options.keepalive(channel);
      options.userTimeout(channel);
      if (source != null) {
        options.foreignSource(channel, source);
      }
      return channel;
    } catch (IOException | RuntimeException e) {
      channel.unsafe().closeForcibly();
      throw e;
    }
  }

  /**
   * Receives datagrams at an address, from anybody. The handler is in the pipeline before the first
   * one comes. The future completes on the loop; a failure's message is {@code failed to bind to
   * address ADDRESS: REASON}.
   */
  public Future<DatagramChannel> bindDatagrams(
      EventLoop loop, InetSocketAddress address, ChannelHandler handler) {
    InetSocketAddress target = Addresses.canonical(address);
    return openDatagrams(
        loop,
        target,
        handler,
        new DatagramStart(
            channel -> {
              options.reusePort(channel);
              options.mark(channel);
            },
            channel -> channel.bind(target),
            cause -> bindFailure(target, cause)));
  }

  /**
   * Turns new datagrams away from a socket of {@link #bindDatagrams}: from now on the kernel gives
   * them to the other sockets that share its port, or to nobody. What waits in its queue is read
   * still, and it can send. Called on the channel's event loop.
   *
   * <p>For this the kernel, but not the channel, is told that the socket is connected, to an
   * address that sends nothing. Closing it instead would lose its queue.
   *
   * @return false if the transport has no such way, and nothing was done
   * @throws IOException if the kernel refuses
   */
  public static boolean turnAway(DatagramChannel channel) throws IOException {
    if (channel instanceof UnixChannel unix && unix.fd() instanceof Socket socket) {
      InetAddress own = channel.localAddress().getAddress();
      InetAddress silent = own.isAnyLocalAddress() ? NetUtil.LOCALHOST4 : own;
      return socket.connect(new InetSocketAddress(silent, DISCARD_PORT));
    }
    return false;
  }

  /**
   * A socket with a port of the kernel's choice that exchanges datagrams with one address only. The
   * future completes on the loop; cancelling it closes the socket.
   */
  public Future<DatagramChannel> connectDatagrams(
      EventLoop loop, InetSocketAddress destination, ChannelHandler handler) {
    InetSocketAddress target = Addresses.canonical(destination);
    return openDatagrams(
        loop,
        target,
        handler,
        new DatagramStart(options::mark, channel -> channel.connect(target), cause -> cause));
  }

  @FunctionalInterface
  private interface DatagramOptions {
    void set(Channel channel) throws IOException;
  }

  /** What binding and connecting do each in their own way. */
  private record DatagramStart(
      DatagramOptions options,
      Function<Channel, ChannelFuture> begin,
      UnaryOperator<Throwable> failure) {}

  private Future<DatagramChannel> openDatagrams(
      EventLoop loop, InetSocketAddress target, ChannelHandler handler, DatagramStart start) {
    Promise<DatagramChannel> promise = loop.newPromise();
    runOn(loop, promise, () -> startDatagrams(loop, target, handler, start, promise));
    return promise;
  }

  private void startDatagrams(
      EventLoop loop,
      InetSocketAddress target,
      ChannelHandler handler,
      DatagramStart start,
      Promise<DatagramChannel> promise) {
    assert loop.inEventLoop();
    DatagramChannel channel;
    try {
      channel = open(() -> transport.openDatagramChannel(family(target.getAddress())));
    } catch (IOException e) {
      promise.tryFailure(start.failure().apply(e));
      return;
    }
    try {
      start.options().set(channel);
      channel.pipeline().addLast(handler);
    } catch (IOException | RuntimeException e) {
      channel.unsafe().closeForcibly();
      promise.tryFailure(start.failure().apply(e));
      return;
    }
    ChannelFuture registered = loop.register(channel);
    if (registered.cause() != null) {
      channel.unsafe().closeForcibly();
      promise.tryFailure(start.failure().apply(registered.cause()));
      return;
    }
    start
        .begin()
        .apply(channel)
        .addListener(
            (ChannelFuture begun) -> {
              if (!begun.isSuccess()) {
                channel.close();
                promise.tryFailure(start.failure().apply(begun.cause()));
              } else if (!promise.trySuccess(channel)) {
                channel.close(); // cancelled meanwhile
              }
            });
  }

  /**
   * The loopback addresses of the namespace, the one of IPv6 only where it is there and IPv6 is not
   * off by the settings.
   */
  public List<InetAddress> loopback() throws IOException {
    return settings.ipv6() && namespace.call(NetworkNamespace::threadHasIpv6Loopback)
        ? List.of(NetUtil.LOCALHOST4, NetUtil.LOCALHOST6)
        : List.of(NetUtil.LOCALHOST4);
  }

  private <C extends Channel> C open(NetworkNamespace.Action<C, RuntimeException> opening)
      throws IOException {
    try {
      return namespace.call(opening);
    } catch (RuntimeException e) {
      throw new IOException("cannot open a socket: " + IoFailure.reason(e), e);
    }
  }

  private static SocketProtocolFamily family(InetAddress address) {
    return address instanceof Inet6Address ? SocketProtocolFamily.INET6 : SocketProtocolFamily.INET;
  }

  private static void runOn(EventLoop loop, Promise<?> promise, Runnable task) {
    if (loop.inEventLoop()) {
      task.run();
      return;
    }
    try {
      loop.execute(task);
    } catch (RejectedExecutionException e) {
      promise.tryFailure(e);
    }
  }
}
