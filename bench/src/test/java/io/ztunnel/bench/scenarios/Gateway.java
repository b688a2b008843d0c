package io.ztunnel.bench.scenarios;

import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.netty.channel.ServerChannel;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.netty.util.concurrent.PromiseNotifier;
import io.ztunnel.hbone.HboneObserver;
import io.ztunnel.hbone.HboneServer;
import io.ztunnel.hbone.HboneServerConnection;
import io.ztunnel.hbone.HboneSettings;
import io.ztunnel.hbone.InboundConnect;
import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.ServerTls;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.hbone.StandInGateway;
import io.ztunnel.hbone.TlsSettings;
import io.ztunnel.redirection.EventLoops;
import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.ListenerSettings;
import io.ztunnel.redirection.NetworkNamespace;
import io.ztunnel.redirection.SocketFactory;
import io.ztunnel.redirection.Transport;
import java.io.Closeable;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * An east-west gateway in a place that is not captured: ends outer tunnels and passes what is in
 * them on to the proxies of its backends, in turn. For one thread.
 */
final class Gateway implements Closeable {
  static final SpiffeId IDENTITY =
      new SpiffeId("cluster.local", "istio-system", "istio-eastwestgateway");

  private static final Duration DEADLINE = Duration.ofSeconds(10);

  private final EventLoops group = new EventLoops(Transport.NIO, 1);
  private final EventLoop loop = group.next();
  private final NetworkNamespace namespace;
  private final ServerTls tls;
  private final StandInGateway passing;

  /** Of the loop. */
  private final List<HboneServerConnection> connections = new ArrayList<>();

  /** How long it takes it to say anything on a new connection. */
  private volatile Duration reluctance = Duration.ZERO;

  /** How long it takes it to reach a backend. */
  private volatile Duration delay = Duration.ZERO;

  Gateway(Lab lab, Lab.Place place, Lab.Pod... backends) throws IOException {
    this(lab, place, IDENTITY, backends);
  }

  Gateway(Lab lab, Lab.Place place, SpiffeId identity, Lab.Pod... backends) throws IOException {
    this(place, MeshClient.certificate(lab, identity), List.of(), backends);
  }

  /**
   * @param trustDomains others than its own whose members it serves
   */
  Gateway(Lab.Place place, KeyMaterial certificate, List<String> trustDomains, Lab.Pod... backends)
      throws IOException {
    this(
        place,
        certificate,
        trustDomains,
        Stream.of(backends).map(pod -> new InetSocketAddress(pod.ipv4(), 15008)).toList());
  }

  /**
   * A waypoint: ends the only tunnels that there are, and passes what is in them on to a program.
   */
  static Gateway asWaypoint(Lab lab, Lab.Place place, SpiffeId identity, InetSocketAddress program)
      throws IOException {
    return new Gateway(place, MeshClient.certificate(lab, identity), List.of(), List.of(program));
  }

  private Gateway(
      Lab.Place place,
      KeyMaterial certificate,
      List<String> trustDomains,
      List<InetSocketAddress> backends)
      throws IOException {
    this.namespace = place.open();
    this.tls =
        ServerTls.create(
            certificate,
            new TlsSettings(TlsSettings.Provider.best(), false, false, Set.copyOf(trustDomains)));
    SocketFactory sockets = MeshClient.sockets(namespace);
    this.passing =
        new StandInGateway(
            (backend, handler) -> {
              Promise<Channel> late = loop.newPromise();
              loop.schedule(
                  () -> {
                    PromiseNotifier.cascade(
                        sockets.connect(loop, backend, null, handler, DEADLINE), late);
                  },
                  delay.toMillis(),
                  TimeUnit.MILLISECONDS);
              return late;
            },
            n -> backends.get(n % backends.size()));
    Future<ServerChannel> bound =
        sockets.listen(
            loop,
            group,
            ListenerSettings.wildcard(15008),
            new ChannelInitializer<>() {
              @Override
              public boolean isSharable() {
                return true;
              }

              @Override
              protected void initChannel(Channel channel) {
                channel.config().setOption(ChannelOption.AUTO_READ, false);
                // Once the channel is active.
                channel
                    .eventLoop()
                    .schedule(() -> serve(channel), reluctance.toMillis(), TimeUnit.MILLISECONDS);
              }
            });
    if (!bound.awaitUninterruptibly(DEADLINE.toMillis()) || !bound.isSuccess()) {
      close();
      throw new IOException("the gateway does not listen", bound.cause());
    }
  }

  private void serve(Channel channel) {
    connections.add(
        HboneServer.serve(
            channel,
            loop.newSucceededFuture(tls),
            HboneSettings.defaults(),
            passing,
            HboneObserver.NONE));
  }

  /** Lets new connections wait so long for TLS from now on. */
  void hesitate(Duration time) {
    reluctance = time;
  }

  /** Takes so long to reach a backend from now on. */
  void delay(Duration time) {
    delay = time;
  }

  /** Takes no more tunnels on the connections that are there, and says so by GOAWAY. */
  void drain() {
    loop.submit(() -> connections.forEach(HboneServerConnection::drain))
        .awaitUninterruptibly(DEADLINE.toMillis());
  }

  /** Ends the connections that are there, with all tunnels, and takes new ones. */
  void cut() {
    loop.submit(() -> connections.forEach(connection -> connection.close("cut")))
        .awaitUninterruptibly(DEADLINE.toMillis());
  }

  /** What was asked of it, in order. */
  List<InboundConnect> connects() {
    return passing.connects();
  }

  @Override
  public void close() {
    boolean ended =
        group.shutdownGracefully(0, 5, TimeUnit.SECONDS).awaitUninterruptibly(DEADLINE.toMillis());
    tls.close();
    namespace.close();
    if (!ended) {
      throw new IllegalStateException("the gateway's loop does not end");
    }
  }
}
