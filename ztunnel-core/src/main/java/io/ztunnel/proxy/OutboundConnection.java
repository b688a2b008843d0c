package io.ztunnel.proxy;

import io.netty.channel.Channel;
import io.netty.channel.EventLoop;
import io.netty.util.NetUtil;
import io.ztunnel.mesh.GatewayAddress;
import io.ztunnel.mesh.NetworkAddress;
import io.ztunnel.mesh.Workload;
import io.ztunnel.metrics.Reporter;
import io.ztunnel.redirection.Addresses;
import io.ztunnel.redirection.OriginalDestination;
import io.ztunnel.routing.OutboundCall;
import io.ztunnel.routing.Route;
import io.ztunnel.routing.RouteFailure;
import io.ztunnel.routing.RouteResult;
import io.ztunnel.routing.RouteTrace;
import io.ztunnel.routing.UnresolvedRoute;
import io.ztunnel.telemetry.ConnectionFacts;
import io.ztunnel.telemetry.ConnectionFailure;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * One connection that a local application opens, from accept to its end: where it goes is decided,
 * dialled, perhaps decided again, and then its bytes are relayed. Nothing is read from the
 * application before the upstream stands, and a connection that comes to nothing is reset.
 *
 * <p>Confined to the event loop of the accepted channel; {@link LiveConnection}'s methods hop to
 * it.
 *
 * <pre>
 *   Locating --workload known--> Dialling --upstream stands--> Relaying --> Ended
 *                                  |   ^
 *                                  '---' another endpoint, while no byte has left
 * </pre>
 *
 * While a gateway to another network is slow to be reached, or a name to be resolved, another
 * endpoint is tried beside it.
 */
final class OutboundConnection implements LiveConnection, OutboundAttempt.Race {
  /** No attempt begins later than this after the connection. */
  private static final long DEADLINE_NANOS = TimeUnit.SECONDS.toNanos(10);

  private sealed interface State {
    /** Waits for the record of the local workload, and for what is asked about the target. */
    record Locating() implements State {}

    /** Waits for the first of these, of which there is one at least. */
    record Dialling(List<OutboundAttempt> attempts) implements State {}

    record Relaying(Relay relay, RelayReport report) implements State {}

    record Ended() implements State {}
  }

  private final PodProxy proxy;
  private final TcpLeg downstream;
  private final EventLoop loop;
  private final InetSocketAddress source;
  private final InetSocketAddress target;
  private final long beganNanos;
  private State state = new State.Locating();

  /** Workloads and addresses that failed this connection, by their keys; made at the first one. */
  private @Nullable Set<String> failed;

  /** A gateway that had cut the connection off was dialled anew, for want of another one. */
  private boolean dialledAnew;

  /** Replaced on the loop, read by any thread. */
  private volatile ConnectionSummary summary;

  private OutboundConnection(
      PodProxy proxy, TcpLeg downstream, InetSocketAddress source, InetSocketAddress target) {
    this.proxy = proxy;
    this.downstream = downstream;
    this.loop = downstream.channel().eventLoop();
    this.source = source;
    this.target = target;
    this.beganNanos = proxy.context().telemetry().nanoTime();
    this.summary = summary(target, "");
  }

  private ConnectionSummary summary(InetSocketAddress actual, String protocol) {
    return new ConnectionSummary(
        ConnectionSummary.Direction.OUTBOUND,
        source,
        NetUtil.toSocketAddressString(target),
        actual,
        protocol);
  }

  /** Prepares a channel just accepted; the connection begins when it is active. */
  static void install(PodProxy proxy, Channel channel) {
    TcpLeg.install(channel, leg -> start(proxy, leg, OriginalDestination.of(channel)));
  }

  /** Takes over a connection that is to go to this address. */
  static void start(PodProxy proxy, TcpLeg leg, InetSocketAddress target) {
    if (!proxy.isClosed() && leg.channel().remoteAddress() instanceof InetSocketAddress remote) {
      new OutboundConnection(proxy, leg, Addresses.canonical(remote), Addresses.canonical(target))
          .begin();
    } else {
      leg.abort(); // we are closed, or the application is gone
    }
  }

  private void begin() {
    assert loop.inEventLoop();
    proxy.table().add(this);
    proxy.context().metrics().sockets(Reporter.SOURCE).opened();
    proxy.retries().onConnection();
    if (isForProxyItself()) {
      refuse(new ConnectionFailure.SelfCall());
      return;
    }
    if (proxy.isOverloaded()) {
      refuse(new ConnectionFailure.Overloaded());
      return;
    }
    proxy.workload().find(loop, this::onLocated, this::refuse);
  }

  /**
   * Whether it was not redirected: the application has dialled the very port that accepted it, at
   * whatever address of the pod, and the mesh need not know that address.
   */
  private boolean isForProxyItself() {
    return proxy.settings().reservedPorts().contains(target.getPort())
        && downstream.channel().localAddress() instanceof InetSocketAddress accepting
        && Addresses.canonical(accepting).equals(target);
  }

  private void onLocated(Workload local) {
    if (state instanceof State.Locating) { // not cut while it waited
      discover(local);
    }
  }

  /** Has the target looked up, in the networks in which it is looked for. */
  private void discover(Workload local) {
    Discovery discovery = proxy.discovery();
    NetworkAddress ours = new NetworkAddress(proxy.settings().network(), target.getAddress());
    NetworkAddress its = new NetworkAddress(local.network(), target.getAddress());
    discovery.await(
        loop,
        ours,
        () -> {
          if (its.equals(ours)) {
            onDiscovered(local);
          } else {
            discovery.await(loop, its, () -> onDiscovered(local));
          }
        });
  }

  private void onDiscovered(Workload local) {
    if (!(state instanceof State.Locating)) {
      return;
    }
    if (proxy.discovery().isNeeded()) {
      discoverGateways(local, new HashSet<>());
    } else {
      attempt(local);
    }
  }

  /**
   * Has the waypoints and gateways looked up, too, that it depends on, and goes on when none is
   * unknown that was not asked for. Each decision may be for another one.
   */
  private void discoverGateways(Workload local, Set<GatewayAddress.Destination> asked) {
    Set<GatewayAddress.Destination> met = new LinkedHashSet<>();
    RouteResult result = route(local, met::add);
    Set<GatewayAddress.Destination> unknown = proxy.discovery().unknown(met);
    unknown.removeAll(asked);
    if (unknown.isEmpty()) {
      attempt(local, result);
      return;
    }
    asked.addAll(unknown);
    proxy
        .discovery()
        .await(
            loop,
            unknown,
            () -> {
              if (state instanceof State.Locating) {
                discoverGateways(local, asked);
              }
            });
  }

  /** Decides where to go, with what is known now, and dials. */
  private void attempt(Workload local) {
    attempt(local, route(local, _ -> {}));
  }

  private RouteResult route(Workload local, Consumer<GatewayAddress.Destination> met) {
    assert loop.inEventLoop();
    return proxy
        .router()
        .route(
            new OutboundCall(
                local, source.getAddress(), target, failed == null ? Set.of() : failed),
            proxy.context().mesh().view(),
            proxy.context().upstreams().health().of(local.uid())::isSetAside,
            RouteTrace.OFF,
            met);
  }

  private void attempt(Workload local, RouteResult result) {
    OutboundAttempt attempt = new OutboundAttempt(proxy, loop, source, local, this);
    List<OutboundAttempt> all = new ArrayList<>(attempts());
    all.add(attempt);
    state = new State.Dialling(List.copyOf(all));
    follow(attempt, result);
  }

  /** Those that are waited for. */
  private List<OutboundAttempt> attempts() {
    return state instanceof State.Dialling(List<OutboundAttempt> attempts) ? attempts : List.of();
  }

  // OutboundAttempt.Race

  @Override
  public boolean awaits(OutboundAttempt attempt) {
    return attempts().contains(attempt);
  }

  @Override
  public void follow(OutboundAttempt attempt, RouteResult result) {
    switch (result) {
      case RouteFailure failure -> onFailure(attempt, Failures.of(failure), EndpointFault.NO);
      case UnresolvedRoute unresolved -> attempt.resolve(unresolved);
      case Route.Passthrough(InetSocketAddress address) -> attempt.dialTcp(null, address, null);
      case Route.DirectTcp direct ->
          attempt.dialTcp(direct.hop(), direct.hop().address(), direct.service());
      case Route.Hbone hbone -> attempt.openTunnel(hbone);
      case Route.DoubleHbone twice -> attempt.openNestedTunnel(twice);
    }
  }

  @Override
  public void dialling(InetSocketAddress address, String protocol) {
    summary = summary(address, protocol);
  }

  @Override
  public void onUpstream(OutboundAttempt winner, ConnectionFacts facts, Leg upstream) {
    attempts().stream().filter(each -> !each.equals(winner)).forEach(OutboundAttempt::lose);
    relay(facts, upstream);
  }

  @Override
  public void onFailure(OutboundAttempt loser, ConnectionFailure failure, EndpointFault fault) {
    List<OutboundAttempt> others = new ArrayList<>(attempts());
    others.remove(loser);
    if (fault != EndpointFault.NO) {
      avoid(loser.toAvoid(fault));
    }
    if (!others.isEmpty()) {
      state = new State.Dialling(List.copyOf(others));
    } else if (fault != EndpointFault.NO && mayRetry(loser)) {
      ProxyLog.retrying(source, loser.candidate(), failure);
      state = new State.Locating();
      attempt(loser.local());
    } else {
      ConnectionFacts facts = loser.facts();
      if (facts == null) {
        refuse(failure);
      } else {
        fail(facts, failure);
      }
    }
  }

  @Override
  public void overtake(OutboundAttempt slow) {
    if (attempts().size() == 1 && slow.hasOthers() && mayRetry()) {
      ProxyLog.overtaking(source, slow.candidate(), slow.progress());
      avoid(slow.toAvoid(EndpointFault.YES));
      attempt(slow.local());
    }
  }

  private void avoid(Collection<String> keys) {
    if (failed == null) {
      failed = new HashSet<>();
    }
    failed.addAll(keys);
  }

  @Override
  public boolean mayDialAnew() {
    boolean may = !dialledAnew && mayRetry();
    dialledAnew |= may;
    return may;
  }

  private boolean mayRetry(OutboundAttempt loser) {
    return loser.isReplaced()
        || (loser.hasOthers() ? mayRetry() : loser.isCutOff() && mayDialAnew());
  }

  private boolean mayRetry() {
    return proxy.context().telemetry().nanoTime() - beganNanos < DEADLINE_NANOS
        && proxy.retries().tryRetry();
  }

  private void relay(ConnectionFacts facts, Leg upstream) {
    RelayReport report =
        new RelayReport(proxy.context().telemetry().opened(facts, beganNanos, loop), this::onEnded);
    Relay relay =
        Relay.outbound(loop, downstream, upstream, proxy.settings().relayLimits(), report);
    state = new State.Relaying(relay, report);
    relay.start();
  }

  /**
   * Ends before it is known where the connection goes: a line in the log, no metrics of traffic.
   */
  private void refuse(ConnectionFailure cause) {
    if (!(state instanceof State.Ended)) {
      onEnded();
      downstream.abort();
      proxy.context().telemetry().refused(Reporter.SOURCE, source, target, cause);
    }
  }

  /** Ends because the upstream could not be reached. */
  private void fail(ConnectionFacts facts, ConnectionFailure cause) {
    if (!(state instanceof State.Ended)) {
      onEnded();
      downstream.abort();
      proxy.context().telemetry().opened(facts, beganNanos, loop).failed(cause);
    }
  }

  private void onEnded() {
    assert loop.inEventLoop();
    state = new State.Ended();
    proxy.table().remove(this);
    proxy.context().metrics().sockets(Reporter.SOURCE).closed();
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
      case State.Locating _ -> refuse(cause);
      case State.Dialling(List<OutboundAttempt> attempts) -> {
        attempts.forEach(OutboundAttempt::giveUp);
        state = new State.Dialling(List.of(attempts.getFirst()));
        onFailure(attempts.getFirst(), cause, EndpointFault.NO);
      }
      case State.Relaying(Relay relay, RelayReport report) -> report.cut(relay, cause);
      case State.Ended _ -> {} // it ended while the order was under way
    }
  }
}
