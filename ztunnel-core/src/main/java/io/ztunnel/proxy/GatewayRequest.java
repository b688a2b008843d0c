package io.ztunnel.proxy;

import io.netty.channel.EventLoop;
import io.ztunnel.hbone.Authority;
import io.ztunnel.hbone.ConnectAnswer;
import io.ztunnel.hbone.ConnectRequest;
import io.ztunnel.hbone.InboundConnect;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.hbone.TunnelReset;
import io.ztunnel.hbone.TunnelTermination;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.ServiceName;
import io.ztunnel.mesh.Workload;
import io.ztunnel.policy.Connection;
import io.ztunnel.policy.Decision;
import io.ztunnel.routing.GatewayCall;
import io.ztunnel.routing.GatewayRefusal;
import io.ztunnel.routing.GatewayResult;
import io.ztunnel.routing.GatewayRoute;
import io.ztunnel.routing.RouteTrace;
import io.ztunnel.telemetry.ConnectionFacts;
import io.ztunnel.telemetry.ConnectionFailure;
import io.ztunnel.telemetry.ConnectionFailure.Awaited;
import io.ztunnel.telemetry.ConnectionFailure.Dial;
import java.net.InetSocketAddress;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * One CONNECT to a gateway, from the request to the end of its tunnel: which endpoint it is passed
 * on to, the TCP connection there, and then the bytes as they are, for they are a tunnel again that
 * ends at the endpoint. The client gets its 200 when the endpoint has accepted.
 *
 * <p>An endpoint that cannot be reached is set aside and another one is tried, or beside one that
 * is slow, before the client hears anything. Confined to the event loop of the session; {@link
 * LiveConnection}'s methods hop to it.
 *
 * <pre>
 *   Choosing --route--> Dialling --endpoint accepts--> Relaying --> Ended
 *      | ^                 |
 *      | '-- try another --|
 *      '-------------------'-- status 4xx, 5xx --> Ended
 * </pre>
 */
final class GatewayRequest implements LiveConnection, GatewayAttempts.Owner {
  private sealed interface State {
    record Choosing() implements State {}

    record Dialling(GatewayTarget target) implements State {}

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
  private final Authority authority;
  private final Connection judged;
  private final RequestSpan span;
  private final GatewayAttempts attempts;
  private State state = new State.Choosing();

  /** Replaced on the loop, read by any thread. */
  private volatile ConnectionSummary summary;

  private GatewayRequest(
      InboundSession session, GatewayContext gateway, InboundConnect connect, Authority authority) {
    this.session = session;
    this.gateway = gateway;
    this.connect = connect;
    this.loop = connect.eventLoop();
    this.beganNanos = session.proxy().context().telemetry().nanoTime();
    this.identity = connect.peer().identity().orElse(null);
    this.source = SourceLimits.source(connect.peer());
    this.authority = authority;
    this.judged =
        new Connection(
            session.peerAddress(),
            session.localAddress(),
            identity,
            session.proxy().settings().network());
    this.span = new RequestSpan(session, connect);
    this.attempts =
        new GatewayAttempts(
            GatewayAttempts.Means.of(session.proxy(), gateway, loop),
            session.peerAddress(),
            Dial.HBONE,
            beganNanos,
            this);
    this.summary = summary("", session.localAddress());
  }

  private ConnectionSummary summary(String service, InetSocketAddress actual) {
    return new ConnectionSummary(
        ConnectionSummary.Direction.INBOUND, session.peerAddress(), service, actual, "HBONE");
  }

  static void start(
      InboundSession session, GatewayContext gateway, InboundConnect connect, Authority authority) {
    new GatewayRequest(session, gateway, connect, authority).begin();
  }

  private PodProxy proxy() {
    return session.proxy();
  }

  private void begin() {
    assert loop.inEventLoop();
    if (proxy().isOverloaded(gateway.limits(), source)) {
      refuse(new ConnectionFailure.Overloaded());
      return;
    }
    if (!gateway.limits().openTunnel(source)) {
      refuse(gateway.limits().tooManyTunnels(source));
      return;
    }
    connect.onAbandoned(this::onAbandoned);
    proxy().table().add(this); // before the policies are asked, so that no change of them is missed
    ConnectionFailure denied = gateway.asksPolicies() ? denied() : null;
    if (denied != null) {
      fail(facts(session.localAddress(), null, null), denied);
      return;
    }
    attempts.next();
  }

  /** Why the policies of the gateway's own pod do not let the client through; null: they do. */
  private @Nullable ConnectionFailure denied() {
    Workload own = proxy().workload().now();
    if (own == null) {
      return Failures.unknown(proxy().workload().info());
    }
    return switch (proxy().context().decide(span, own, judged)) {
      case Decision.Deny denial -> Failures.denied(denial);
      case Decision.Allow _ -> null;
    };
  }

  @Override
  public @Nullable GatewayTarget choose(Set<String> tried) {
    GatewayResult result =
        gateway
            .router()
            .route(
                new GatewayCall(
                    authority,
                    GatewayCall.Caller.of(connect.request().istioSource()),
                    identity == null ? null : identity.namespace(),
                    proxy().workload().now(),
                    tried),
                gateway.loads(),
                proxy().context().mesh().view(),
                proxy().context().upstreams().health()::isSetAside,
                RouteTrace.OFF);
    return switch (result) {
      case GatewayRefusal refusal -> {
        fail(facts(session.localAddress(), null, service(refusal)), Failures.of(refusal));
        yield null;
      }
      case GatewayRoute route -> {
        GatewayTarget target = GatewayTarget.of(route);
        summary = summary(route.service().hostname(), route.address());
        state = new State.Dialling(target);
        yield target;
      }
    };
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

  @Override
  public void onConnected(GatewayTarget target, TcpLeg upstream) {
    summary = summary(target.service().hostname(), target.address()); // not always the last chosen
    RelayReport report =
        new RelayReport(
            proxy().context().telemetry().opened(facts(target), beganNanos, loop), this::onEnded);
    TunnelLeg downstream = new TunnelLeg();
    downstream.attach(connect.accept(ConnectAnswer.PLAIN, downstream));
    Relay relay =
        Relay.forwarded(loop, downstream, upstream, proxy().settings().relayLimits(), report);
    state = new State.Relaying(relay, report);
    relay.start();
  }

  @Override
  public void onFailed(GatewayTarget target, ConnectionFailure cause) {
    fail(facts(target), cause);
  }

  private ConnectionFacts facts(GatewayTarget target) {
    return facts(target.address(), target.workload(), target.service());
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
      case State.Dialling(GatewayTarget target) -> {
        onEnded();
        proxy()
            .context()
            .telemetry()
            .opened(facts(target), beganNanos, loop)
            .failed(Failures.ofAbandoned(Awaited.ENDPOINT, cause));
      }
      case State.Choosing _, State.Relaying _, State.Ended _ -> {} // within one turn, or answered
    }
  }

  private void onEnded() {
    assert loop.inEventLoop();
    state = new State.Ended();
    attempts.end();
    gateway.limits().closeTunnel(source);
    proxy().table().remove(this);
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
  public boolean isJudged() {
    return gateway.asksPolicies(); // those of the endpoint are asked where the inner tunnel ends
  }

  @Override
  public void onCut(ConnectionFailure cause) {
    switch (state) {
      case State.Dialling(GatewayTarget target) -> {
        onEnded();
        connect.abort(TunnelReset.CANCEL);
        proxy().context().telemetry().opened(facts(target), beganNanos, loop).failed(cause);
      }
      case State.Relaying(Relay relay, RelayReport report) -> report.cut(relay, cause);
      case State.Choosing _, State.Ended _ -> {} // within one turn, or over
    }
  }

  @Override
  public @Nullable ConnectionFailure onPoliciesChanged() {
    return state instanceof State.Ended
        ? null
        : proxy().context().reconsider(span, proxy().workload().now(), judged);
  }
}
