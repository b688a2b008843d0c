package io.ztunnel.hbone;

import io.netty.bootstrap.Bootstrap;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.netty.channel.ServerChannel;
import io.netty.channel.SingleThreadIoEventLoop;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.util.concurrent.DefaultThreadFactory;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.netty.util.concurrent.Ticker;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;

/**
 * Servers and pools on 127.0.0.1, real sockets and real TLS, all on one event loop, whose clock can
 * be put forward. Called from the test's thread; {@link #close} ends everything.
 */
final class Loopback implements AutoCloseable {
  static final String CLIENT = "spiffe://cluster.local/ns/default/sa/client";
  static final String SERVER = "spiffe://cluster.local/ns/default/sa/server";

  private final Loop loop = new Loop();
  private final List<Channel> listeners = new CopyOnWriteArrayList<>();
  private final List<HbonePool> pools = new CopyOnWriteArrayList<>();
  private final List<Runnable> clients = new CopyOnWriteArrayList<>();
  private final List<Runnable> resources = new CopyOnWriteArrayList<>();

  /** TCP connections accepted, and how many of these are closed again. */
  final AtomicInteger accepted = new AtomicInteger();

  final AtomicInteger closed = new AtomicInteger();

  EventLoop loop() {
    return loop;
  }

  /** Lets this time go by on the loop's clock: what is due by then is run. */
  void advance(Duration time) {
    run(() -> loop.advance(time.toNanos()));
  }

  /** Runs on the loop and waits for the outcome. */
  <T> T call(Callable<T> action) {
    return await(loop().submit(action));
  }

  void run(Runnable action) {
    await(loop().submit(action));
  }

  static <T> T await(Future<T> future) {
    if (!future.awaitUninterruptibly(10, TimeUnit.SECONDS)) {
      throw new AssertionError("not done within 10 s: " + future);
    }
    if (!future.isSuccess()) {
      throw new AssertionError("failed: " + future.cause(), future.cause());
    }
    return future.getNow();
  }

  /** Waits until the condition holds on the loop. */
  void await(String what, Callable<Boolean> condition) {
    Promise<Void> done = loop().newPromise();
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(9);
    Runnable check =
        new Runnable() {
          @Override
          public void run() {
            try {
              if (condition.call()) {
                done.setSuccess(null);
              } else if (System.nanoTime() > deadline) {
                done.setFailure(new AssertionError("not within 9 s: " + what));
              } else {
                loop().schedule(this, 2, TimeUnit.MILLISECONDS);
              }
            } catch (Throwable e) {
              done.setFailure(e);
            }
          }
        };
    loop().execute(check);
    await(done);
  }

  ServerTls serverTls(KeyMaterial material) {
    return serverTls(material, TlsSettings.defaults());
  }

  ServerTls serverTls(KeyMaterial material, TlsSettings settings) {
    ServerTls tls = ServerTls.create(material, settings);
    resources.add(tls::close);
    return tls;
  }

  ClientTls clientTls(KeyMaterial material) {
    return clientTls(material, TlsSettings.defaults());
  }

  ClientTls clientTls(KeyMaterial material, TlsSettings settings) {
    ClientTls tls = ClientTls.create(material, settings);
    resources.add(tls::close);
    return tls;
  }

  /** Serves HBONE; a new handler for each connection. */
  InetSocketAddress serve(
      ServerTls tls, HboneSettings settings, Supplier<? extends ConnectHandler> handler) {
    return serve(tls, settings, handler, HboneObserver.NONE);
  }

  InetSocketAddress serve(
      ServerTls tls,
      HboneSettings settings,
      Supplier<? extends ConnectHandler> handler,
      HboneObserver observer) {
    return listen(
        channel ->
            HboneServer.serve(
                channel, loop().newSucceededFuture(tls), settings, handler.get(), observer));
  }

  /** What happens with an accepted channel. */
  interface Acceptor {
    Object accept(SocketChannel channel);
  }

  InetSocketAddress listen(Acceptor acceptor) {
    Class<? extends ServerChannel> type =
        Epoll.isAvailable() ? EpollServerSocketChannel.class : NioServerSocketChannel.class;
    ServerBootstrap bootstrap =
        new ServerBootstrap()
            .group(loop)
            .channel(type)
            .childOption(ChannelOption.AUTO_READ, false)
            .childOption(ChannelOption.TCP_NODELAY, true)
            .childHandler(
                new ChannelInitializer<SocketChannel>() {
                  @Override
                  protected void initChannel(SocketChannel channel) {
                    accepted.incrementAndGet();
                    channel.closeFuture().addListener(_ -> closed.incrementAndGet());
                    // Once the channel is active.
                    channel.eventLoop().execute(() -> acceptor.accept(channel));
                  }
                });
    var bound = bootstrap.bind(InetAddress.getLoopbackAddress(), 0).awaitUninterruptibly();
    listeners.add(bound.channel());
    return (InetSocketAddress) bound.channel().localAddress();
  }

  /** A raw connection. */
  Channel connect(InetSocketAddress address, ChannelHandler handler) {
    var connected = bootstrap(handler).connect(address).awaitUninterruptibly();
    if (!connected.isSuccess()) {
      throw new AssertionError("cannot connect to " + address, connected.cause());
    }
    return connected.channel();
  }

  HbonePool pool(ClientTls tls, HboneSettings settings) {
    return pool(connector(tls), settings, HboneObserver.NONE);
  }

  HbonePool pool(Connector connector, HboneSettings settings, HboneObserver observer) {
    HbonePool pool = new HbonePool(loop(), settings, connector, observer);
    pools.add(pool);
    return pool;
  }

  /** A connection in the making. */
  Future<Channel> dial(InetSocketAddress address, ChannelHandler handler) {
    Promise<Channel> promise = loop().newPromise();
    var connecting = bootstrap(handler).connect(address);
    connecting.addListener(
        done -> {
          if (done.isSuccess() && !promise.trySuccess(connecting.channel())) {
            connecting.channel().close(); // given up
          } else if (!done.isSuccess()) {
            promise.tryFailure(done.cause());
          }
        });
    return promise;
  }

  Connector connector(ClientTls tls) {
    return new Connector() {
      @Override
      public Future<Channel> connect(EventLoop loop, PeerKey key, ChannelHandler handler) {
        return dial(key.address(), handler);
      }

      @Override
      public Future<ClientTls> tls(EventLoop loop, PeerKey key) {
        return loop.newSucceededFuture(tls);
      }
    };
  }

  /** Asks the pool for a tunnel and waits for what comes of it. */
  Opened open(HbonePool pool, PeerKey key) {
    return open(pool, key, connect("10.0.0.1:80"));
  }

  Opened open(HbonePool pool, PeerKey key, ConnectRequest request) {
    Opened opened = new Opened();
    run(() -> pool.open(key, request, opened));
    await("an answer", opened::isDone);
    return opened;
  }

  /** What a pool is asked for to get to a server with {@link #SERVER} as its identity. */
  static PeerKey key(InetSocketAddress address, String uid) {
    return new PeerKey(CLIENT, List.of(SERVER), address, null, uid);
  }

  static ConnectRequest connect(String authority) {
    return new ConnectRequest(authority, null, null, null, null);
  }

  /** Does this before anything else is closed. */
  void onClose(Runnable action) {
    clients.add(action);
  }

  @Override
  public void close() {
    clients.forEach(Runnable::run);
    run(() -> pools.forEach(HbonePool::close));
    listeners.forEach(listener -> listener.close().awaitUninterruptibly());
    await("accepted connections are closed", () -> accepted.get() == closed.get());
    resources.forEach(Runnable::run);
    loop.shutdownGracefully(0, 5, TimeUnit.SECONDS).awaitUninterruptibly();
  }

  private Bootstrap bootstrap(ChannelHandler handler) {
    return new Bootstrap()
        .group(loop)
        .channel(Epoll.isAvailable() ? EpollSocketChannel.class : NioSocketChannel.class)
        .option(ChannelOption.TCP_NODELAY, true)
        .option(ChannelOption.CONNECT_TIMEOUT_MILLIS, 5_000)
        .handler(handler);
  }

  /** An event loop whose clock goes ahead of the system's. */
  private static final class Loop extends SingleThreadIoEventLoop {
    private volatile long aheadNanos;

    Loop() {
      super(
          null,
          new DefaultThreadFactory("loopback"),
          Epoll.isAvailable() ? EpollIoHandler.newFactory() : NioIoHandler.newFactory());
    }

    synchronized void advance(long nanos) {
      aheadNanos += nanos;
    }

    @Override
    public Ticker ticker() {
      return new Ticker() {
        @Override
        public long initialNanoTime() {
          // The loop subtracts it of the system's time to know how long it may sleep.
          return Ticker.systemTicker().initialNanoTime() - aheadNanos;
        }

        @Override
        public long nanoTime() {
          return Ticker.systemTicker().nanoTime() + aheadNanos;
        }

        @Override
        public void sleep(long delay, TimeUnit unit) throws InterruptedException {
          Ticker.systemTicker().sleep(delay, unit);
        }
      };
    }
  }
}
