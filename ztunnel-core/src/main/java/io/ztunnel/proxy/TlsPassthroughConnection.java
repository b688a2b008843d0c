package io.ztunnel.proxy;

import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.EventLoop;
import io.netty.util.NetUtil;
import io.netty.util.concurrent.Future;
import io.ztunnel.mesh.NamespacedHostname;
import io.ztunnel.mesh.ServiceName;
import io.ztunnel.metrics.Reporter;
import io.ztunnel.redirection.Addresses;
import io.ztunnel.routing.EndpointLoads;
import io.ztunnel.routing.GatewayRefusal;
import io.ztunnel.routing.GatewayResult;
import io.ztunnel.routing.GatewayRoute;
import io.ztunnel.routing.TlsPassthrough;
import io.ztunnel.telemetry.ConnectionFailure;
import io.ztunnel.telemetry.ConnectionFailure.Dial;
import io.ztunnel.telemetry.ConnectionFailure.TlsRole;
import io.ztunnel.telemetry.ConnectionObserver;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * One TLS connection to a gateway for a server behind it, such as the control plane: the server's
 * name is read from the ClientHello, and then the bytes go on as they are. Who the client is only
 * the server learns.
 *
 * <p>The server is a service of the mesh, or else what the name service says. Confined to the event
 * loop of the accepted channel; {@link LiveConnection}'s methods hop to it.
 *
 * <pre>
 *   Greeting --name--> (Resolving) --> Dialling --accepted--> Relaying --> Ended
 *      |                    |            | ^ '- another -'                   ^
 *      '-- alert, reset ----'------------'-----------------------------------'
 * </pre>
 */
final class TlsPassthroughConnection
    implements LiveConnection, GatewayAttempts.Owner, ServerNamePeek.Listener {
  /** A fatal alert, unrecognized_name (RFC 8446, 6). */
  private static final byte[] UNRECOGNIZED_NAME = {21, 3, 3, 0, 2, 2, 112};

  private sealed interface State {
    record Greeting() implements State {}

    record Resolving() implements State {}

    record Dialling(GatewayTarget target) implements State {}

    record Relaying(Relay relay, RelayReport report) implements State {}

    record Ended() implements State {}
  }

  private final PodProxy proxy;
  private final GatewayContext gateway;
  private final List<TlsPassthrough> servers;
  private final TcpLeg downstream;
  private final EventLoop loop;
  private final InetSocketAddress source;
  private final InetSocketAddress local;

  /** What the client is counted by. */
  private final String client;

  private final long beganNanos;
  private final GatewayAttempts attempts;
  private State state = new State.Greeting();

  /** What the client asked for; null until it has. */
  private @Nullable TlsPassthrough asked;

  /** What the name service said; null: the mesh knows the server, or nobody has asked yet. */
  private @Nullable List<InetAddress> resolved;

  /** Replaced on the loop, read by any thread. */
  private volatile ConnectionSummary summary;

  private TlsPassthroughConnection(
      PodProxy proxy,
      GatewayContext gateway,
      List<TlsPassthrough> servers,
      TcpLeg downstream,
      InetSocketAddress source) {
    this.proxy = proxy;
    this.gateway = gateway;
    this.servers = servers;
    this.downstream = downstream;
    this.loop = downstream.channel().eventLoop();
    this.source = source;
    this.local = Addresses.canonical((InetSocketAddress) downstream.channel().localAddress());
    this.client = SourceLimits.source(source);
    this.beganNanos = proxy.context().telemetry().nanoTime();
    this.attempts =
        new GatewayAttempts(
            GatewayAttempts.Means.of(proxy, gateway, loop), source, Dial.PLAIN, beganNanos, this);
    this.summary = summary("", local);
  }

  private ConnectionSummary summary(String host, InetSocketAddress actual) {
    return new ConnectionSummary(ConnectionSummary.Direction.INBOUND, source, host, actual, "TLS");
  }

  /**
   * Prepares a channel just accepted; the connection begins when it is active.
   *
   * @param servers those that clients may ask for on this port
   */
  static void install(
      PodProxy proxy, GatewayContext gateway, List<TlsPassthrough> servers, Channel channel) {
    TcpLeg.install(
        channel,
        leg -> {
          if (!proxy.isClosed() && channel.remoteAddress() instanceof InetSocketAddress remote) {
            InetSocketAddress source = Addresses.canonical(remote);
            new TlsPassthroughConnection(proxy, gateway, servers, leg, source).begin();
          } else {
            leg.abort(); // we are closed, or the client is gone
          }
        });
  }

  private void begin() {
    assert loop.inEventLoop();
    if (proxy.isOverloaded(gateway.limits(), client)) {
      turnAway(new ConnectionFailure.Overloaded());
      return;
    }
    if (!gateway.limits().openConnection(client)) {
      turnAway(gateway.limits().tooManyConnections(client));
      return;
    }
    proxy.table().add(this);
    proxy.context().metrics().sockets(Reporter.GATEWAY).opened();
    downstream.channel().closeFuture().addListener(_ -> onClosed());
    ServerNamePeek.begin(downstream.channel(), proxy.settings().hbone().handshakeTimeout(), this);
  }

  /** Ends it before it was begun. */
  private void turnAway(ConnectionFailure cause) {
    state = new State.Ended();
    downstream.abort();
    refused(cause);
  }

  @Override
  public void onNoServerName(String reason) {
    if (state instanceof State.Greeting) {
      refuse(new ConnectionFailure.TlsFailed(TlsRole.SERVER, reason));
    }
  }

  @Override
  public void onServerName(@Nullable String name) {
    if (!(state instanceof State.Greeting)) {
      return; // cut while the client spoke
    }
    for (TlsPassthrough server : servers) {
      if (name != null && server.names().contains(name)) {
        asked = server;
        attempts.next();
        return;
      }
    }
    onEnded();
    downstream.write(Unpooled.wrappedBuffer(UNRECOGNIZED_NAME));
    downstream.closeAfterWrites();
    refused(new ConnectionFailure.ServerNameUnknown(name == null ? "" : name));
  }

  @Override
  public @Nullable GatewayTarget choose(Set<String> tried) {
    TlsPassthrough server = asked();
    List<InetAddress> addresses = resolved;
    if (addresses != null) {
      return toAddress(server, addresses, tried);
    }
    GatewayResult result =
        gateway
            .router()
            .pass(
                server,
                proxy.workload().now(),
                tried,
                proxy.context().mesh().view(),
                proxy.context().upstreams().health()::isSetAside);
    return switch (result) {
      case GatewayRoute route -> dialling(server, GatewayTarget.of(route));
      case GatewayRefusal.UnknownService _ -> {
        resolve(server);
        yield null;
      }
      case GatewayRefusal refusal -> {
        refuse(Failures.of(refusal));
        yield null;
      }
    };
  }

  private TlsPassthrough asked() {
    if (asked == null) {
      throw new IllegalStateException("asked: nothing yet");
    }
    return asked;
  }

  private GatewayTarget dialling(TlsPassthrough server, GatewayTarget target) {
    state = new State.Dialling(target);
    summary = summary(server.host(), target.address());
    return target;
  }

  /** The mesh does not know the server: the name service may. */
  private void resolve(TlsPassthrough server) {
    state = new State.Resolving();
    proxy
        .context()
        .upstreams()
        .resolver()
        .resolve(loop, server.host())
        .addListener(
            (Future<List<InetAddress>> found) -> {
              if (!(state instanceof State.Resolving)) {
                return; // ended since
              }
              if (found.isSuccess() && !found.getNow().isEmpty()) {
                resolved = found.getNow().stream().distinct().toList(); // one attempt each
                attempts.next();
              } else {
                refuse(
                    ConnectionFailure.HostnameUnresolved.byNameService(
                        server.host(),
                        found.isSuccess() ? "no addresses" : SocketErrors.text(found.cause())));
              }
            });
  }

  /** Of those that were not tried for this connection, one that did not fail lately. */
  private GatewayTarget toAddress(
      TlsPassthrough server, List<InetAddress> addresses, Set<String> tried) {
    List<InetSocketAddress> left =
        addresses.stream()
            .map(address -> new InetSocketAddress(address, server.targetPort()))
            .filter(address -> !tried.contains(key(address)))
            .collect(Collectors.toCollection(ArrayList::new));
    Collections.shuffle(left, ThreadLocalRandom.current()); // the first of equals is taken
    InetSocketAddress chosen =
        left.stream()
            .min(
                Comparator.comparingInt(
                        (InetSocketAddress address) ->
                            proxy.context().upstreams().health().isSetAside(key(address)) ? 1 : 0)
                    .thenComparingInt(address -> gateway.loads().of(load(server, address))))
            .orElseThrow();
    return dialling(
        server,
        new GatewayTarget(
            key(chosen),
            chosen,
            null,
            load(server, chosen),
            new ServiceName(server.host(), "", server.host()),
            left.size() - 1));
  }

  private static EndpointLoads.Key load(TlsPassthrough server, InetSocketAddress address) {
    return new EndpointLoads.Key(new NamespacedHostname("", server.host()), key(address));
  }

  private static String key(InetSocketAddress address) {
    return NetUtil.toSocketAddressString(address);
  }

  @Override
  public void onConnected(GatewayTarget target, TcpLeg upstream) {
    summary = summary(target.service().hostname(), target.address()); // not always the last chosen
    RelayReport report = new RelayReport(open(target), this::onEnded);
    Relay relay =
        Relay.forwarded(loop, downstream, upstream, proxy.settings().relayLimits(), report);
    state = new State.Relaying(relay, report);
    relay.start();
  }

  private ConnectionObserver open(GatewayTarget target) {
    return proxy
        .context()
        .telemetry()
        .opened(
            Reports.passed(source, target.address(), target.workload(), target.service()),
            beganNanos,
            loop);
  }

  @Override
  public void onFailed(GatewayTarget target, ConnectionFailure cause) {
    onEnded();
    downstream.abort();
    open(target).failed(cause);
  }

  /** The client's channel is closed; a relay hears of it by itself. */
  private void onClosed() {
    switch (state) {
      case State.Greeting _ ->
          refuse(new ConnectionFailure.TlsFailed(TlsRole.SERVER, downstream.lostBecause()));
      case State.Resolving _ -> refuse(gone());
      case State.Dialling(GatewayTarget target) -> onFailed(target, gone());
      case State.Relaying _, State.Ended _ -> {} // the relay's business, or over
    }
  }

  private ConnectionFailure gone() {
    return new ConnectionFailure.CopyFailed(ConnectionFailure.Half.SEND, downstream.lostBecause());
  }

  private void refuse(ConnectionFailure cause) {
    onEnded();
    downstream.abort();
    refused(cause);
  }

  private void refused(ConnectionFailure cause) {
    proxy.context().telemetry().refused(Reporter.GATEWAY, source, local, cause);
  }

  private void onEnded() {
    assert loop.inEventLoop();
    state = new State.Ended();
    attempts.end();
    gateway.limits().closeConnection(client);
    proxy.table().remove(this);
    proxy.context().metrics().sockets(Reporter.GATEWAY).closed();
  }

  @Override
  public EventLoop loop() {
    return loop;
  }

  @Override
  public ConnectionSummary summary() {
    return summary;
  }

  @Override
  public void onCut(ConnectionFailure cause) {
    switch (state) {
      case State.Greeting _, State.Resolving _ -> refuse(cause);
      case State.Dialling(GatewayTarget target) -> onFailed(target, cause);
      case State.Relaying(Relay relay, RelayReport report) -> report.cut(relay, cause);
      case State.Ended _ -> {} // it ended while the order was under way
    }
  }
}
