package io.ztunnel.proxy;

import io.netty.channel.Channel;
import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import io.ztunnel.hbone.Authority;
import io.ztunnel.hbone.ConnectRequest;
import io.ztunnel.hbone.InboundConnect;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.hbone.TunnelReset;
import io.ztunnel.hbone.TunnelTermination;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.ServiceName;
import io.ztunnel.mesh.Workload;
import io.ztunnel.routing.EndpointHealth;
import io.ztunnel.routing.GatewayCall;
import io.ztunnel.routing.GatewayRefusal;
import io.ztunnel.routing.GatewayResult;
import io.ztunnel.routing.GatewayRoute;
import io.ztunnel.telemetry.ConnectionFacts;
import io.ztunnel.telemetry.ConnectionFailure;
import io.ztunnel.telemetry.ConnectionFailure.Dial;
import java.net.InetSocketAddress;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * One CONNECT to a gateway, from the request to the end of its tunnel: which endpoint it is passed
 * on to, the TCP connection there, and then the bytes as they are, for they are a tunnel again that
 * ends at the endpoint. The client gets its 200 when the endpoint has accepted.
 *
 * <p>An endpoint that cannot be reached is set aside and another one is tried, before the client
 * hears anything. Confined to the event loop of the session; {@link LiveConnection}'s methods hop
 * to it.
 *
 * <pre>
 *   Choosing --route--> Dialling --endpoint accepts--> Relaying --> Ended
 *      | ^                 |
 *      | '-- try another --|
 *      '-------------------'-- status 4xx, 5xx --> Ended
 * </pre>
 */
final class GatewayRequest implements LiveConnection {
  /** No attempt begins later than this after the request. */
  private static final long DEADLINE_NANOS = TimeUnit.SECONDS.toNanos(10);

  private sealed interface State {
    record Choosing() implements State {}

    record Dialling(GatewayRoute route, Future<Channel> dial) implements State {}

    record Relaying(Relay relay, RelayReport report) implements State {}

    record Ended() implements State {}
  }

  private final InboundSession session;
  private final GatewayContext gateway;
  private final InboundConnect connect;
  private final EventLoop loop;
  private final long beganNanos;
  private final @Nullable SpiffeId identity;
  private final String source;
  private State state = new State.Choosing();

  /** Uids of workloads that failed for this tunnel; made at the first failure. */
  private @Nullable Set<String> failed;

  /** The endpoint that this tunnel is counted for; null before and after. */
  private @Nullable String loaded;

  /** Replaced on the loop, read by any thread. */
  private volatile ConnectionSummary summary;

  private GatewayRequest(InboundSession session, GatewayContext gateway, InboundConnect connect) {
    this.session = session;
    this.gateway = gateway;
    this.connect = connect;
    this.loop = connect.eventLoop();
    this.beganNanos = session.proxy().context().telemetry().nanoTime();
    this.identity = connect.peer().identity().orElse(null);
    this.source = SourceLimits.source(connect.peer());
    this.summary = summary("", session.localAddress());
  }

  private ConnectionSummary summary(String service, InetSocketAddress actual) {
    return new ConnectionSummary(
        ConnectionSummary.Direction.INBOUND, session.peerAddress(), service, actual, "HBONE");
  }

  static void start(
      InboundSession session, GatewayContext gateway, InboundConnect connect, Authority authority) {
    new GatewayRequest(session, gateway, connect).begin(authority);
  }

  private PodProxy proxy() {
    return session.proxy();
  }

  private void begin(Authority authority) {
    assert loop.inEventLoop();
    if (!gateway.limits().openTunnel(source)) {
      refuse(
          new ConnectionFailure.SourceLimitReached(
              ConnectionFailure.SourceLimit.TUNNELS, source, gateway.limits().maxTunnels()));
      return;
    }
    connect.onAbandoned(this::onAbandoned);
    proxy().table().add(this);
    proxy().context().upstreams().retries().onConnection();
    attempt(authority);
  }

  /** Decides where to go, with what is known now, and dials. */
  private void attempt(Authority authority) {
    assert loop.inEventLoop();
    GatewayResult result =
        gateway
            .router()
            .route(
                new GatewayCall(
                    authority,
                    GatewayCall.Caller.of(connect.request().istioSource()),
                    identity == null ? null : identity.namespace(),
                    proxy().workload().now(),
                    failed == null ? Set.of() : failed),
                proxy().context().mesh().view(),
                health()::isSetAside);
    switch (result) {
      case GatewayRefusal refusal ->
          fail(facts(session.localAddress(), null, service(refusal)), Failures.of(refusal));
      case GatewayRoute route -> dial(authority, route);
    }
  }

  private static @Nullable ServiceName service(GatewayRefusal refusal) {
    return switch (refusal) {
      case GatewayRefusal.UnknownService _ -> null;
      case GatewayRefusal.NotExported(Service service) -> service.name();
      case GatewayRefusal.UnknownPort(Service service, int _) -> service.name();
      case GatewayRefusal.UnknownWaypoint(Service service, var _) -> service.name();
      case GatewayRefusal.NoEndpoint(Service service, Service _) -> service.name();
    };
  }

  private EndpointHealth health() {
    return proxy().context().upstreams().health();
  }

  private void dial(Authority authority, GatewayRoute route) {
    String uid = route.endpoint().uid();
    summary = summary(route.service().hostname(), route.address());
    load(uid);
    health().attempted(uid);
    UpstreamDial dial = new UpstreamDial();
    Future<Channel> connected =
        proxy()
            .sockets()
            .connect(loop, route.address(), null, dial, proxy().settings().connectTimeout());
    state = new State.Dialling(route, connected);
    connected.addListener(
        (Future<Channel> done) -> {
          if (!(state instanceof State.Dialling)) {
            if (done.isSuccess()) {
              TcpLeg.reset(done.getNow());
            }
          } else if (done.isSuccess()) {
            health().succeeded(uid);
            relay(route, dial.leg());
          } else {
            onDialFailed(
                authority, route, Failures.ofConnect(Dial.HBONE, route.address(), done.cause()));
          }
        });
  }

  private void onDialFailed(Authority authority, GatewayRoute route, ConnectionFailure cause) {
    unload();
    if (cause instanceof ConnectionFailure.OutOfDescriptors) {
      fail(facts(route), cause); // the fault is ours
      return;
    }
    String uid = route.endpoint().uid();
    health().failed(uid);
    if (!mayRetry(route)) {
      fail(facts(route), cause);
      return;
    }
    if (failed == null) {
      failed = new HashSet<>();
    }
    failed.add(uid);
    gateway.metrics().retried();
    ProxyLog.retrying(session.peerAddress(), route.endpoint(), cause);
    state = new State.Choosing();
    attempt(authority);
  }

  private boolean mayRetry(GatewayRoute route) {
    return route.otherEndpoints() > 0
        && proxy().context().telemetry().nanoTime() - beganNanos < DEADLINE_NANOS
        && proxy().context().upstreams().retries().tryRetry();
  }

  private void load(String uid) {
    gateway.loads().opened(uid);
    loaded = uid;
  }

  private void unload() {
    if (loaded != null) {
      gateway.loads().closed(loaded);
      loaded = null;
    }
  }

  private void relay(GatewayRoute route, TcpLeg upstream) {
    RelayReport report =
        new RelayReport(
            proxy().context().telemetry().opened(facts(route), beganNanos, loop), this::onEnded);
    TunnelLeg downstream = new TunnelLeg();
    downstream.attach(connect.accept(null, downstream));
    Relay relay =
        Relay.forwarded(loop, downstream, upstream, proxy().settings().halfClosedProbing(), report);
    state = new State.Relaying(relay, report);
    relay.start();
  }

  private ConnectionFacts facts(GatewayRoute route) {
    return facts(route.address(), route.endpoint(), route.service().name());
  }

  private ConnectionFacts facts(
      InetSocketAddress address, @Nullable Workload endpoint, @Nullable ServiceName service) {
    ConnectRequest request = connect.request();
    return Reports.forwarded(
        session.peerAddress(),
        address,
        request.authority(),
        proxy().settings().exchangeBaggage()
            ? session.metadata(request.baggage())
            : PeerMetadata.NONE,
        identity,
        endpoint,
        service);
  }

  private void refuse(ConnectionFailure cause) {
    state = new State.Ended();
    session.refuse(connect, cause);
  }

  private void fail(ConnectionFacts facts, ConnectionFailure cause) {
    onEnded();
    connect.reject(cause.peerStatus());
    proxy().context().telemetry().opened(facts, beganNanos, loop).failed(cause);
  }

  /** The client gave up before it was answered. */
  private void onAbandoned(TunnelTermination cause) {
    switch (state) {
      case State.Dialling(GatewayRoute route, Future<Channel> dial) -> {
        onEnded();
        dial.cancel(false);
        var observer = proxy().context().telemetry().opened(facts(route), beganNanos, loop);
        InboundSession.abandoned(observer, cause);
      }
      case State.Choosing _, State.Relaying _, State.Ended _ -> {} // within one turn, or answered
    }
  }

  private void onEnded() {
    assert loop.inEventLoop();
    state = new State.Ended();
    unload();
    gateway.limits().closeTunnel(source);
    proxy().table().remove(this);
  }

  @Override
  public ConnectionSummary summary() {
    return summary;
  }

  @Override
  public void cut(ConnectionFailure cause) {
    loop.execute(() -> cutNow(cause));
  }

  private void cutNow(ConnectionFailure cause) {
    switch (state) {
      case State.Dialling(GatewayRoute route, Future<Channel> dial) -> {
        onEnded();
        dial.cancel(false);
        connect.abort(TunnelReset.CANCEL);
        proxy().context().telemetry().opened(facts(route), beganNanos, loop).failed(cause);
      }
      case State.Relaying(Relay relay, RelayReport report) -> report.cut(relay, cause);
      case State.Choosing _, State.Ended _ -> {} // within one turn, or over
    }
  }

  @Override
  public void reauthorize() {
    // Policies are asked where the inner tunnel ends.
  }
}
