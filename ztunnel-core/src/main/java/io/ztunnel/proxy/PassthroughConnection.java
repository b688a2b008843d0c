package io.ztunnel.proxy;

import io.netty.channel.Channel;
import io.netty.channel.EventLoop;
import io.ztunnel.log.Span;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.NetworkAddress;
import io.ztunnel.mesh.ServiceName;
import io.ztunnel.mesh.Workload;
import io.ztunnel.metrics.Reporter;
import io.ztunnel.policy.Connection;
import io.ztunnel.policy.Decision;
import io.ztunnel.policy.Permit;
import io.ztunnel.redirection.Addresses;
import io.ztunnel.redirection.OriginalDestination;
import io.ztunnel.routing.InboundFailure;
import io.ztunnel.routing.InboundRoute;
import io.ztunnel.telemetry.ConnectionFailure;
import io.ztunnel.telemetry.ConnectionFailure.Dial;
import io.ztunnel.telemetry.ConnectionObserver;
import java.net.InetSocketAddress;
import org.jspecify.annotations.Nullable;

/**
 * One plaintext connection to a local workload, from a client without a tunnel: policies are asked
 * with no identity, and then it is passed on to where it was going.
 *
 * <p>Confined to the event loop of the accepted channel; {@link LiveConnection}'s methods hop to
 * it.
 */
final class PassthroughConnection implements LiveConnection {
  private sealed interface State {
    record Examining() implements State {}

    record Dialling(ConnectionObserver observer, UpstreamDial dial) implements State {}

    record Relaying(Relay relay, RelayReport report) implements State {}

    record Ended() implements State {}
  }

  private final PodProxy proxy;
  private final TcpLeg downstream;
  private final EventLoop loop;
  private final InetSocketAddress source;
  private final InetSocketAddress target;
  private final long beganNanos;
  private final Connection judged;
  private State state = new State.Examining();

  /** Replaced on the loop, read by any thread. */
  private volatile ConnectionSummary summary;

  private PassthroughConnection(
      PodProxy proxy, TcpLeg downstream, InetSocketAddress source, InetSocketAddress target) {
    this.proxy = proxy;
    this.downstream = downstream;
    this.loop = downstream.channel().eventLoop();
    this.source = source;
    this.target = target;
    this.beganNanos = proxy.context().telemetry().nanoTime();
    this.judged = new Connection(source, target, null, proxy.settings().network());
    this.summary = summary("");
  }

  private ConnectionSummary summary(String service) {
    return new ConnectionSummary(
        ConnectionSummary.Direction.INBOUND, source, service, target, "TCP");
  }

  /** Prepares a channel just accepted; the connection begins when it is active. */
  static void install(PodProxy proxy, Channel channel) {
    TcpLeg.install(channel, leg -> start(proxy, leg));
  }

  private static void start(PodProxy proxy, TcpLeg leg) {
    if (!proxy.isClosed() && leg.channel().remoteAddress() instanceof InetSocketAddress remote) {
      new PassthroughConnection(
              proxy, leg, Addresses.canonical(remote), OriginalDestination.of(leg.channel()))
          .begin();
    } else {
      leg.abort(); // we are closed, or the client is gone
    }
  }

  private void begin() {
    assert loop.inEventLoop();
    proxy.table().add(this); // before the policies are asked, so that no change of them is missed
    proxy.context().metrics().sockets(Reporter.DESTINATION).opened();
    if (proxy.settings().reservedPorts().contains(target.getPort())) {
      refuse(new ConnectionFailure.ProxyPort(target.getPort()));
      return;
    }
    if (proxy.isOverloaded()) {
      refuse(new ConnectionFailure.Overloaded());
      return;
    }
    proxy.workload().find(loop, this::onLocated, this::refuse);
  }

  private void onLocated(Workload local) {
    if (state instanceof State.Examining) { // not cut while it waited
      discover(local);
    }
  }

  /** Has the client looked up, for its labels. */
  private void discover(Workload local) {
    proxy
        .inboundDiscovery()
        .await(
            loop,
            new NetworkAddress(proxy.settings().network(), source.getAddress()),
            () -> {
              if (state instanceof State.Examining) {
                examine(local);
              }
            });
  }

  private void examine(Workload local) {
    MeshView view = proxy.context().mesh().view();
    switch (proxy.inboundRouter().passthrough(local, target, view)) {
      case InboundFailure failure -> refuse(Failures.of(failure));
      case InboundRoute route -> open(route, view);
    }
  }

  private void open(InboundRoute route, MeshView view) {
    @Nullable Workload client =
        view.workload(new NetworkAddress(proxy.settings().network(), source.getAddress()));
    @Nullable ServiceName service = route.destinationService(null);
    summary = summary(service == null ? "" : service.hostname());
    ConnectionObserver observer =
        proxy
            .context()
            .telemetry()
            .opened(
                Reports.plainInbound(route.local(), source, target, client, service),
                beganNanos,
                loop);
    switch (proxy.context().decide(this::span, proxy.workload().nowOr(route.local()), judged)) {
      case Decision.Deny denial -> fail(observer, Failures.denied(denial));
      case Decision.Allow(Permit permit, var _) -> dial(observer, permit);
    }
  }

  private Span span() {
    return ProxyLog.span(proxy.workload().info());
  }

  private void dial(ConnectionObserver observer, Permit permit) {
    UpstreamDial dial = new UpstreamDial(loop, new Application(observer, permit));
    state = new State.Dialling(observer, dial);
    dial.begin(proxy, target, proxy.keepsSource() ? source.getAddress() : null);
  }

  /** Waits for the application to answer. */
  private final class Application implements UpstreamDial.Listener {
    private final ConnectionObserver observer;
    private final Permit permit;

    Application(ConnectionObserver observer, Permit permit) {
      this.observer = observer;
      this.permit = permit;
    }

    @Override
    public void onConnected(TcpLeg upstream) {
      RelayReport report = new RelayReport(observer, PassthroughConnection.this::onEnded);
      Relay relay =
          Relay.inbound(permit, loop, downstream, upstream, proxy.settings().relayLimits(), report);
      state = new State.Relaying(relay, report);
      relay.start();
    }

    @Override
    public void onDialFailed(Throwable cause) {
      fail(observer, Failures.ofConnect(Dial.LOCAL, target, cause));
    }
  }

  private void refuse(ConnectionFailure cause) {
    if (!(state instanceof State.Ended)) {
      onEnded();
      downstream.abort();
      proxy.context().telemetry().refused(Reporter.DESTINATION, source, target, cause);
    }
  }

  private void fail(ConnectionObserver observer, ConnectionFailure cause) {
    onEnded();
    downstream.abort();
    observer.failed(cause);
  }

  private void onEnded() {
    assert loop.inEventLoop();
    state = new State.Ended();
    proxy.table().remove(this);
    proxy.context().metrics().sockets(Reporter.DESTINATION).closed();
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
      case State.Examining _ -> refuse(cause);
      case State.Dialling(ConnectionObserver observer, UpstreamDial dial) -> {
        dial.cancel();
        fail(observer, cause);
      }
      case State.Relaying(Relay relay, RelayReport report) -> report.cut(relay, cause);
      case State.Ended _ -> {} // it ended while the order was under way
    }
  }

  @Override
  public @Nullable ConnectionFailure onPoliciesChanged() {
    return state instanceof State.Ended
        ? null
        : proxy.context().reconsider(this::span, proxy.workload().now(), judged);
  }
}
