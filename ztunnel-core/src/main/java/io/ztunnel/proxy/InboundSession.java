package io.ztunnel.proxy;

import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.ztunnel.hbone.Authority;
import io.ztunnel.hbone.ConnectHandler;
import io.ztunnel.hbone.HboneFailure;
import io.ztunnel.hbone.HboneServer;
import io.ztunnel.hbone.HboneServerConnection;
import io.ztunnel.hbone.InboundConnect;
import io.ztunnel.hbone.ServerTls;
import io.ztunnel.hbone.TlsPeer;
import io.ztunnel.identity.WorkloadTls;
import io.ztunnel.mesh.Workload;
import io.ztunnel.metrics.Reporter;
import io.ztunnel.redirection.Addresses;
import io.ztunnel.telemetry.ConnectionFailure;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One TCP connection on the HBONE port: the certificate of the local workload is shown to it, and
 * each CONNECT it carries becomes an {@link InboundRequest}, or a {@link GatewayRequest}.
 *
 * <p>Confined to the event loop of its channel; {@link #drain}, {@link #closeIfRevoked} and {@link
 * #close} hop to it.
 */
final class InboundSession implements ConnectHandler {
  private final PodProxy proxy;
  private final EventLoop loop;
  private final InetSocketAddress peerAddress;
  private final InetSocketAddress localAddress;
  private final @Nullable GatewayContext gateway;
  private @Nullable HboneServerConnection connection;

  /** The client's identity as a gateway counts its connections; null when it counts none. */
  private @Nullable String counted;

  /** Why no request is taken: it ends as soon as those that are on their way have been answered. */
  private @Nullable ConnectionFailure unwelcome;

  /** What the last request said of its client: on a session all mostly say the same. */
  private @Nullable String lastBaggage;

  private PeerMetadata lastMetadata = PeerMetadata.NONE;

  private InboundSession(PodProxy proxy, Channel channel, InetSocketAddress peerAddress) {
    this.proxy = proxy;
    this.gateway = proxy.gateway() == null ? null : proxy.gateway().ofConnection();
    this.loop = channel.eventLoop();
    this.peerAddress = peerAddress;
    this.localAddress = Addresses.canonical((InetSocketAddress) channel.localAddress());
  }

  /** Prepares a channel just accepted; the session starts when it is active. */
  static void install(PodProxy proxy, Channel channel) {
    channel
        .pipeline()
        .addLast(
            new ChannelInboundHandlerAdapter() {
              @Override
              public void channelActive(ChannelHandlerContext ctx) {
                ctx.pipeline().remove(this);
                start(proxy, ctx.channel());
              }
            });
  }

  private static void start(PodProxy proxy, Channel channel) {
    if (proxy.isClosed() || !(channel.remoteAddress() instanceof InetSocketAddress remote)) {
      TcpLeg.reset(channel);
      return;
    }
    InboundSession session = new InboundSession(proxy, channel, Addresses.canonical(remote));
    if (proxy.isOverloaded()) {
      TcpLeg.reset(channel);
      session.refused(new ConnectionFailure.Overloaded());
      return;
    }
    proxy.sessions().add(session);
    proxy.context().admission().onSessionOpened();
    proxy.context().metrics().sockets(session.reporter()).opened();
    session.connection =
        HboneServer.serve(
            channel,
            session.certificate(),
            proxy.settings().hbone(),
            session,
            proxy.context().hboneObserver());
    if (proxy.isClosed()) {
      session.close(); // the proxy was, before it knew of the session
    } else if (!proxy.isAccepting()) {
      session.connection.drain(); // it was accepted in the moment when the listener closed
    }
  }

  private Reporter reporter() {
    return gateway == null ? Reporter.DESTINATION : Reporter.GATEWAY;
  }

  /** The certificate of the local workload, which may have to be found and signed first. */
  private Future<ServerTls> certificate() {
    Promise<ServerTls> promise = loop.newPromise();
    if (gateway != null) {
      proxy
          .context()
          .certificates()
          .fetch(gateway.identity(), loop)
          .addListener((Future<WorkloadTls> fetched) -> complete(promise, fetched));
      return promise;
    }
    proxy
        .workload()
        .await(loop)
        .addListener(
            (Future<Workload> found) -> {
              if (found.isSuccess()) {
                proxy
                    .context()
                    .certificates()
                    .fetch(found.getNow().identity(), loop)
                    .addListener((Future<WorkloadTls> fetched) -> complete(promise, fetched));
              } else {
                promise.tryFailure(
                    new IOException(
                        "failed to fetch information about local workload: "
                            + proxy.workload().info()));
              }
            });
    return promise;
  }

  private static void complete(Promise<ServerTls> promise, Future<WorkloadTls> fetched) {
    if (fetched.isSuccess()) {
      promise.trySuccess(fetched.getNow().server());
    } else {
      promise.tryFailure(fetched.cause());
    }
  }

  PodProxy proxy() {
    return proxy;
  }

  /** What a request says of its client. */
  PeerMetadata metadata(@Nullable String baggage) {
    assert loop.inEventLoop();
    if (!Objects.equals(baggage, lastBaggage)) {
      lastBaggage = baggage;
      lastMetadata = PeerMetadata.of(baggage);
    }
    return lastMetadata;
  }

  /** The client's end of the TCP connection. */
  InetSocketAddress peerAddress() {
    return peerAddress;
  }

  /** Our end: the pod's address and the HBONE port. */
  InetSocketAddress localAddress() {
    return localAddress;
  }

  @Override
  public void onEstablished(TlsPeer peer) {
    if (gateway == null) {
      return; // each request carries the peer
    }
    String source = SourceLimits.source(peer);
    if (proxy.isOverloaded(gateway.limits(), source)) {
      dismiss(new ConnectionFailure.Overloaded());
    } else if (gateway.limits().openConnection(source)) {
      counted = source;
    } else {
      dismiss(gateway.limits().tooManyConnections(source));
    }
  }

  /** Takes no request of the client. */
  private void dismiss(ConnectionFailure cause) {
    unwelcome = cause;
    refused(cause);
    drain();
  }

  @Override
  public void onConnect(InboundConnect connect) {
    if (unwelcome != null) {
      connect.reject(unwelcome.peerStatus());
      return;
    }
    if (!connect.method().equals("CONNECT")) {
      refuse(connect, new ConnectionFailure.MethodNotConnect(connect.method()));
      return;
    }
    Authority authority = Authority.parse(connect.request().authority()).orElse(null);
    if (authority == null) {
      refuse(connect, new ConnectionFailure.AuthorityInvalid(connect.request().authority()));
    } else if (gateway == null) {
      InboundRequest.start(this, connect, authority);
    } else {
      GatewayRequest.start(this, gateway, connect, authority);
    }
  }

  /** Refuses before it is known what is asked for: a line in the log, no metrics of traffic. */
  void refuse(InboundConnect connect, ConnectionFailure cause) {
    connect.reject(cause.peerStatus());
    refused(cause);
  }

  @Override
  public void onHandshakeFailed(HboneFailure failure) {
    refused(Failures.ofHandshake(failure));
  }

  private void refused(ConnectionFailure cause) {
    proxy.context().telemetry().refused(reporter(), peerAddress, localAddress, cause);
  }

  @Override
  public void onClosed() {
    proxy.sessions().remove(this);
    proxy.context().admission().onSessionClosed();
    proxy.context().metrics().sockets(reporter()).closed();
    if (gateway != null && counted != null) {
      gateway.limits().closeConnection(counted);
      counted = null;
    }
  }

  /** Takes no new requests and closes after the last. Any thread. */
  void drain() {
    loop.execute(
        () -> {
          if (connection != null) {
            connection.drain();
          }
        });
  }

  /** Closes now if the peer's certificate has been revoked. Any thread. */
  void closeIfRevoked() {
    loop.execute(
        () -> {
          if (connection != null) {
            connection.closeIfRevoked();
          }
        });
  }

  /** Closes now. Any thread. */
  void close() {
    loop.execute(
        () -> {
          if (connection != null) {
            connection.close("drained");
          }
        });
  }
}
