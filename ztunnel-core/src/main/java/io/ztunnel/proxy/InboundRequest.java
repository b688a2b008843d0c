package io.ztunnel.proxy;

import io.netty.channel.EventLoop;
import io.ztunnel.hbone.Authority;
import io.ztunnel.hbone.ConnectAnswer;
import io.ztunnel.hbone.ConnectRequest;
import io.ztunnel.hbone.Forwarded;
import io.ztunnel.hbone.InboundConnect;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.hbone.TunnelReset;
import io.ztunnel.hbone.TunnelTermination;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.NamespacedHostname;
import io.ztunnel.mesh.NetworkAddress;
import io.ztunnel.mesh.ServiceName;
import io.ztunnel.mesh.Workload;
import io.ztunnel.policy.Connection;
import io.ztunnel.policy.Decision;
import io.ztunnel.policy.Permit;
import io.ztunnel.routing.InboundCall;
import io.ztunnel.routing.InboundFailure;
import io.ztunnel.routing.InboundRoute;
import io.ztunnel.telemetry.ConnectionFailure;
import io.ztunnel.telemetry.ConnectionFailure.Awaited;
import io.ztunnel.telemetry.ConnectionFailure.Dial;
import io.ztunnel.telemetry.ConnectionFailure.DialOutcome;
import io.ztunnel.telemetry.ConnectionObserver;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.Iterator;
import org.jspecify.annotations.Nullable;

/**
 * One CONNECT to a local workload, from the request to the end of its tunnel: whether it may be
 * asked for, where it ends, whether a policy allows it, the connection to the application, and then
 * the bytes.
 *
 * <p>Confined to the event loop of the session; {@link LiveConnection}'s methods hop to it.
 *
 * <pre>
 *   Examining --may--> Dialling --application answers--> Relaying --> Ended
 *       |                 |
 *       '-- status 4xx, 5xx: nothing is dialled, or the dial is given up --> Ended
 * </pre>
 */
final class InboundRequest implements LiveConnection {
  private sealed interface State {
    record Examining() implements State {}

    record Dialling(ConnectionObserver observer, UpstreamDial dial) implements State {}

    record Relaying(Relay relay, RelayReport report) implements State {}

    record Ended() implements State {}
  }

  private final InboundSession session;
  private final InboundConnect connect;
  private final EventLoop loop;
  private final long beganNanos;
  private final @Nullable SpiffeId identity;
  private final RequestSpan span;
  private State state = new State.Examining();

  /** What policies judge; set when it is known, read on the loop. */
  private @Nullable Connection judged;

  /** Replaced on the loop, read by any thread. */
  private volatile ConnectionSummary summary;

  private InboundRequest(InboundSession session, InboundConnect connect) {
    this.session = session;
    this.connect = connect;
    this.loop = connect.eventLoop();
    this.span = new RequestSpan(session, connect);
    this.beganNanos = session.proxy().context().telemetry().nanoTime();
    this.identity = connect.peer().identity().orElse(null);
    this.summary =
        new ConnectionSummary(
            ConnectionSummary.Direction.INBOUND,
            session.peerAddress(),
            "",
            session.localAddress(),
            "HBONE");
  }

  static void start(InboundSession session, InboundConnect connect, Authority authority) {
    new InboundRequest(session, connect).begin(authority);
  }

  private PodProxy proxy() {
    return session.proxy();
  }

  private void begin(Authority authority) {
    assert loop.inEventLoop();
    connect.onAbandoned(this::onAbandoned);
    if (proxy().isOverloaded()) {
      refuse(new ConnectionFailure.Overloaded());
      return;
    }
    proxy().workload().find(loop, local -> onLocated(local, authority), this::onUnknown);
  }

  private void onLocated(Workload local, Authority authority) {
    if (state instanceof State.Examining) { // the peer has not gone
      discover(local, authority);
    }
  }

  private void onUnknown(ConnectionFailure cause) {
    if (state instanceof State.Examining) {
      refuse(cause);
    }
  }

  /** Has the peer looked up, and the target if it is not plainly the local workload. */
  private void discover(Workload local, Authority authority) {
    Runnable awaitTarget =
        () ->
            discoverTarget(
                local,
                authority,
                () -> {
                  if (state instanceof State.Examining) {
                    examine(local, authority);
                  }
                });
    if (isFromGateway()) {
      awaitTarget.run(); // the address is the gateway's and says nothing of the peer
    } else {
      discovery().await(loop, address(session.peerAddress().getAddress()), awaitTarget);
    }
  }

  private void discoverTarget(Workload local, Authority authority, Runnable then) {
    switch (authority) {
      case Authority.Address(InetAddress ip, int _) -> discovery().await(loop, address(ip), then);
      case Authority.Host(String name, int _) ->
          discover(
              local.services().stream().filter(key -> key.hostname().equals(name)).iterator(),
              then);
    }
  }

  /** One service after the other: those of one name that the local workload says it serves. */
  private void discover(Iterator<NamespacedHostname> services, Runnable then) {
    if (services.hasNext()) {
      discovery().await(loop, services.next(), () -> discover(services, then));
    } else {
      then.run();
    }
  }

  private Discovery discovery() {
    return proxy().inboundDiscovery();
  }

  private NetworkAddress address(InetAddress ip) {
    return new NetworkAddress(proxy().settings().network(), ip);
  }

  private boolean isFromGateway() {
    return proxy().inboundRouter().isFromGateway(connect.request().forwardedNetwork());
  }

  private void examine(Workload local, Authority authority) {
    MeshView view = proxy().context().mesh().view();
    switch (proxy()
        .inboundRouter()
        .route(
            new InboundCall(local, session.localAddress().getAddress(), authority, identity),
            view)) {
      case InboundFailure failure -> refuse(Failures.of(failure));
      case InboundRoute route -> open(route, view);
    }
  }

  private void open(InboundRoute route, MeshView view) {
    ConnectRequest request = connect.request();
    @Nullable ServiceName service = route.destinationService(forwardedHost(request));
    @Nullable Workload client =
        isFromGateway()
            ? null
            : view.workload(
                new NetworkAddress(
                    proxy().settings().network(), session.peerAddress().getAddress()));
    PeerMetadata said =
        proxy().settings().exchangeBaggage()
            ? session.metadata(request.baggage())
            : PeerMetadata.NONE;
    ConnectionObserver observer =
        proxy()
            .context()
            .telemetry()
            .opened(
                Reports.tunnelledInbound(
                    route.local(),
                    session.peerAddress(),
                    session.localAddress(),
                    request.authority(),
                    client,
                    said,
                    identity,
                    service),
                beganNanos,
                loop);
    judged =
        new Connection(
            session.peerAddress(), route.destination(), identity, proxy().settings().network());
    summary =
        new ConnectionSummary(
            ConnectionSummary.Direction.INBOUND,
            session.peerAddress(),
            service == null ? "" : service.hostname(),
            route.destination(),
            "HBONE");
    // Before the policies are asked, and which ones: so that no change of them is missed.
    proxy().table().add(this);
    switch (proxy().context().decide(span, proxy().workload().nowOr(route.local()), judged)) {
      case Decision.Deny denial -> reject(observer, Failures.denied(denial));
      case Decision.Allow(Permit permit, var _) -> dial(route, observer, permit);
    }
  }

  private static @Nullable String forwardedHost(ConnectRequest request) {
    return request.forwarded() == null
        ? null
        : Forwarded.parseHost(request.forwarded()).orElse(null);
  }

  private void dial(InboundRoute route, ConnectionObserver observer, Permit permit) {
    UpstreamDial dial = new UpstreamDial(loop, new Application(route, observer, permit));
    state = new State.Dialling(observer, dial);
    dial.begin(proxy(), route.dial(), dialSource(route));
  }

  /** Waits for the application to answer. */
  private final class Application implements UpstreamDial.Listener {
    private final InboundRoute route;
    private final ConnectionObserver observer;
    private final Permit permit;

    Application(InboundRoute route, ConnectionObserver observer, Permit permit) {
      this.route = route;
      this.observer = observer;
      this.permit = permit;
    }

    @Override
    public void onConnected(TcpLeg upstream) {
      proxy().applicationPorts().onAnswered(route.dial());
      relay(route, observer, permit, upstream);
    }

    @Override
    public void onDialFailed(Throwable cause) {
      ConnectionFailure failure = Failures.ofConnect(Dial.LOCAL, route.dial(), cause);
      if (failure instanceof ConnectionFailure.ConnectFailed connect
          && connect.outcome() == DialOutcome.REFUSED) {
        onApplicationRefused(route.dial());
      }
      reject(observer, failure);
    }
  }

  private void onApplicationRefused(InetSocketAddress application) {
    if (proxy().applicationPorts().onRefused(application)) {
      ProxyLog.applicationClosed(proxy().workload().info(), application.getPort());
      proxy().releaseTunnels();
    }
  }

  /** The address that the application is to see, or null for the kernel's choice. */
  private @Nullable InetAddress dialSource(InboundRoute route) {
    if (route.isLoopback()) {
      return route.dial().getAddress();
    }
    InetAddress client = session.peerAddress().getAddress();
    boolean sameFamily = client.getClass().equals(route.dial().getAddress().getClass());
    return proxy().keepsSource() && sameFamily ? client : null;
  }

  private void relay(
      InboundRoute route, ConnectionObserver observer, Permit permit, TcpLeg upstream) {
    RelayReport report = new RelayReport(observer, this::onEnded);
    TunnelLeg downstream = new TunnelLeg();
    downstream.attach(connect.accept(answer(route.local()), downstream));
    if (route.announced() != null) {
      upstream.write(
          new ProxyProtocolHeader(session.peerAddress(), route.announced(), identity)
              .encode(upstream.channel().alloc()));
      upstream.flush();
    }
    Relay relay =
        Relay.inbound(permit, loop, downstream, upstream, proxy().settings().relayLimits(), report);
    state = new State.Relaying(relay, report);
    relay.start();
  }

  /** Says whom the peer has reached; which pod, only where a gateway has chosen it. */
  private ConnectAnswer answer(Workload reached) {
    return proxy().settings().exchangeBaggage()
        ? new ConnectAnswer(Headers.baggage(reached), isFromGateway() ? reached.uid() : null)
        : ConnectAnswer.PLAIN;
  }

  private void refuse(ConnectionFailure cause) {
    state = new State.Ended();
    session.refuse(connect, cause);
  }

  private void reject(ConnectionObserver observer, ConnectionFailure cause) {
    onEnded();
    connect.reject(cause.peerStatus());
    observer.failed(cause);
  }

  /** The peer gave up before it was answered. */
  private void onAbandoned(TunnelTermination cause) {
    switch (state) {
      case State.Examining _ -> refuse(Failures.ofAbandoned(Awaited.CONTROL_PLANE, cause));
      case State.Dialling(ConnectionObserver observer, UpstreamDial dial) -> {
        onEnded();
        dial.cancel();
        observer.failed(Failures.ofAbandoned(Awaited.APPLICATION, cause));
      }
      case State.Relaying _, State.Ended _ -> {} // answered already
    }
  }

  private void onEnded() {
    assert loop.inEventLoop();
    state = new State.Ended();
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
    return true;
  }

  @Override
  public void onCut(ConnectionFailure cause) {
    switch (state) {
      case State.Dialling(ConnectionObserver observer, UpstreamDial dial) -> {
        onEnded();
        dial.cancel();
        connect.abort(TunnelReset.CANCEL);
        observer.failed(cause);
      }
      case State.Relaying(Relay relay, RelayReport report) -> report.cut(relay, cause);
      case State.Examining _, State.Ended _ -> {} // asked in this very turn, or over
    }
  }

  @Override
  public @Nullable ConnectionFailure onPoliciesChanged() {
    return judged == null || state instanceof State.Ended
        ? null
        : proxy().context().reconsider(span, proxy().workload().now(), judged);
  }
}
