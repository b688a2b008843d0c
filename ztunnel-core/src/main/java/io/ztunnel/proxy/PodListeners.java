package io.ztunnel.proxy;

import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ServerChannel;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.ztunnel.dns.DnsContext;
import io.ztunnel.dns.DnsServer;
import io.ztunnel.dns.LocalClient;
import io.ztunnel.redirection.ListenerSettings;
import io.ztunnel.redirection.SocketFactory;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What a proxy listens on in its workload's network namespace, the DNS server included. Confined to
 * the control thread, but for what event loops may ask.
 */
final class PodListeners {
  /**
   * One of them.
   *
   * @param component its name in the log
   * @param accept takes a channel that was accepted; called on the channel's loop
   */
  record Wanted(String component, ListenerSettings settings, Consumer<Channel> accept) {}

  private final EventExecutor control;
  private final ProxyContext context;
  private final SocketFactory sockets;
  private final List<ServerChannel> channels = new ArrayList<>();

  /** From the start until the last is bound, or one could not be. */
  private boolean starting;

  private boolean givenUp;

  /** Set by the control thread before the first connection is accepted, read by event loops. */
  private volatile boolean transparent;

  /** Set by the control thread at the start, read by event loops. */
  private volatile @Nullable DnsServer dns;

  PodListeners(EventExecutor control, ProxyContext context, SocketFactory sockets) {
    this.control = control;
    this.context = context;
    this.sockets = sockets;
  }

  /**
   * Binds one after the other, so that the first failure is the one that is told; the DNS server
   * last.
   *
   * @param names null: there is no DNS server
   * @param client whose questions it answers
   */
  Future<Void> start(List<Wanted> wanted, @Nullable DnsContext names, LocalClient client) {
    assert control.inEventLoop();
    starting = true;
    Promise<Void> started = control.newPromise();
    started.addListener(_ -> starting = false);
    listenNext(wanted, 0, started, () -> startDns(names, client, started));
    return started;
  }

  private void listenNext(
      List<Wanted> wanted, int next, Promise<Void> started, Runnable afterwards) {
    assert control.inEventLoop();
    if (next == wanted.size()) {
      afterwards.run();
      return;
    }
    Wanted listening = wanted.get(next);
    sockets
        .listen(
            context.loops().next(),
            context.loops(),
            listening.settings(),
            initializer(listening.accept()))
        .addListener(
            (Future<ServerChannel> bound) ->
                control.execute(
                    () -> {
                      if (!bound.isSuccess()) {
                        started.tryFailure(bound.cause());
                        return;
                      }
                      channels.add(bound.getNow());
                      if (givenUp) {
                        bound.getNow().close();
                        started.tryFailure(drained());
                      } else {
                        onListening(listening.component(), bound.getNow());
                        listenNext(wanted, next + 1, started, afterwards);
                      }
                    }));
  }

  private void startDns(@Nullable DnsContext names, LocalClient client, Promise<Void> started) {
    assert control.inEventLoop();
    if (names == null) {
      started.trySuccess(null);
      return;
    }
    DnsServer server;
    try {
      server = new DnsServer(context.loops().next(), names, sockets, client);
    } catch (IOException e) {
      started.tryFailure(e);
      return;
    }
    dns = server;
    server
        .start()
        .addListener(
            (Future<Void> bound) ->
                control.execute(
                    () -> {
                      if (!bound.isSuccess()) {
                        started.tryFailure(bound.cause());
                      } else if (givenUp) {
                        server.close();
                        started.tryFailure(drained());
                      } else {
                        started.trySuccess(null);
                      }
                    }));
  }

  private static IllegalStateException drained() {
    return new IllegalStateException("drained while starting");
  }

  private void onListening(String component, ServerChannel channel) {
    boolean foreign = SocketFactory.isTransparent(channel);
    if (component.equals("inbound")) {
      transparent = foreign;
    }
    ProxyLog.listening(component, channel, foreign);
  }

  private static ChannelHandler initializer(Consumer<Channel> accept) {
    return new ChannelInitializer<>() {
      @Override
      public boolean isSharable() {
        return true;
      }

      @Override
      protected void initChannel(Channel channel) {
        PodProxy.prepare(channel);
        accept.accept(channel);
      }
    };
  }

  /** A start that is under way fails with the next listener. */
  void giveUpStart() {
    assert control.inEventLoop();
    givenUp = true;
  }

  /** Whether what comes in may be connected from the client's own address. Any thread. */
  boolean isTransparent() {
    return transparent;
  }

  /** What knows the names of the workload; null if there is no DNS server. Any thread. */
  @Nullable DnsServer dns() {
    return dns;
  }

  /** Where it listens for connections, a port as often as there are listeners on it. */
  List<Integer> ports() {
    assert control.inEventLoop();
    Stream<SocketAddress> proxied = channels.stream().map(Channel::localAddress);
    DnsServer server = dns;
    Stream<? extends SocketAddress> asked =
        server == null ? Stream.of() : server.listening().stream();
    return Stream.concat(proxied, asked)
        .filter(InetSocketAddress.class::isInstance) // a closed channel has no address
        .map(address -> ((InetSocketAddress) address).getPort())
        .toList();
  }

  /** Accepts nothing more; questions that were asked are answered. */
  void drain() {
    assert control.inEventLoop();
    channels.forEach(Channel::close);
    DnsServer server = dns;
    if (server != null) {
      server.drain();
    }
  }

  void close() {
    assert control.inEventLoop();
    channels.forEach(Channel::close);
    DnsServer server = dns;
    if (server != null) {
      server.close();
    }
  }

  /** Whether nothing listens any more, nor is about to. */
  boolean isClosed() {
    assert control.inEventLoop();
    DnsServer server = dns;
    return !starting
        && (server == null || server.closed().isDone())
        && channels.stream().allMatch(channel -> channel.closeFuture().isDone());
  }
}
