package io.ztunnel.proxy;

import io.netty.channel.Channel;
import io.netty.channel.EventLoop;
import io.netty.util.NetUtil;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.ScheduledFuture;
import io.ztunnel.hbone.ConnectRequest;
import io.ztunnel.hbone.HboneFailure;
import io.ztunnel.hbone.NestedPeer;
import io.ztunnel.hbone.PeerKey;
import io.ztunnel.hbone.PendingTunnel;
import io.ztunnel.hbone.TlsPeer;
import io.ztunnel.hbone.Tunnel;
import io.ztunnel.hbone.TunnelListener;
import io.ztunnel.hbone.TunnelOpening;
import io.ztunnel.mesh.NetworkAddress;
import io.ztunnel.mesh.Workload;
import io.ztunnel.metrics.Reporter;
import io.ztunnel.redirection.Addresses;
import io.ztunnel.redirection.OriginalDestination;
import io.ztunnel.routing.Hop;
import io.ztunnel.routing.OutboundCall;
import io.ztunnel.routing.Route;
import io.ztunnel.routing.RouteFailure;
import io.ztunnel.routing.RouteResult;
import io.ztunnel.routing.RouteTrace;
import io.ztunnel.routing.UnresolvedRoute;
import io.ztunnel.telemetry.ConnectionFacts;
import io.ztunnel.telemetry.ConnectionFailure;
import io.ztunnel.telemetry.ConnectionFailure.Dial;
import io.ztunnel.telemetry.ConnectionFailure.Http2Failure;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
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
 */
final class OutboundConnection implements LiveConnection {
  /**
   * How long one endpoint is given when there are others. One that is there answers in far less;
   * one that has gone must not use up the time of the whole connection.
   */
  private static final long ATTEMPT_MILLIS = 2_000;

  /** No attempt begins later than this after the connection. */
  private static final long DEADLINE_NANOS = TimeUnit.SECONDS.toNanos(10);

  private sealed interface State {
    /** Waits for the record of the local workload, and for what is asked about the target. */
    record Locating() implements State {}

    record Dialling(Attempt attempt) implements State {}

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

  /** Uids of workloads that failed this connection; made at the first failure. */
  private @Nullable Set<String> failed;

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
    this.summary = summary(target, "TCP");
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
    proxy.context().upstreams().retries().onConnection();
    @Nullable Workload local = proxy.workload().now();
    if (local != null) {
      discover(local);
    } else {
      proxy.workload().await(loop).addListener(this::onLocated);
    }
  }

  private void onLocated(Future<? super Workload> found) {
    if (!(state instanceof State.Locating)) {
      return; // cut while it waited
    }
    if (found.isSuccess()) {
      discover((Workload) found.getNow());
    } else {
      refuse(Failures.unknown(proxy.workload().info()));
    }
  }

  /** Has the target looked up, in the networks in which it is looked for. */
  private void discover(Workload local) {
    Discovery discovery = proxy.context().discovery();
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
    if (state instanceof State.Locating) {
      attempt(local);
    }
  }

  /** Decides where to go, with what is known now, and dials. */
  private void attempt(Workload local) {
    assert loop.inEventLoop();
    RouteResult result =
        proxy
            .router()
            .route(
                new OutboundCall(
                    local, source.getAddress(), target, failed == null ? Set.of() : failed),
                proxy.context().mesh().view(),
                proxy.context().upstreams().health()::isSetAside,
                RouteTrace.OFF);
    follow(new Attempt(local), result);
  }

  private void follow(Attempt attempt, RouteResult result) {
    state = new State.Dialling(attempt);
    switch (result) {
      case RouteFailure failure -> refuse(Failures.of(failure));
      case UnresolvedRoute unresolved -> attempt.resolve(unresolved);
      case Route.Passthrough(InetSocketAddress address) ->
          attempt.dialTcp(
              null, address, Reports.plainOutbound(attempt.local, source, address, null, null));
      case Route.DirectTcp direct ->
          attempt.dialTcp(
              direct.hop(),
              direct.hop().address(),
              Reports.plainOutbound(
                  attempt.local,
                  source,
                  direct.hop().address(),
                  direct.hop().workload(),
                  direct.service()));
      case Route.Hbone hbone -> attempt.openTunnel(hbone);
      case Route.DoubleHbone twice -> attempt.openNestedTunnel(twice);
    }
  }

  private boolean mayRetry(Hop hop) {
    return hop.otherEndpoints() > 0
        && proxy.context().telemetry().nanoTime() - beganNanos < DEADLINE_NANOS
        && proxy.context().upstreams().retries().tryRetry();
  }

  private void relay(ConnectionFacts facts, Leg upstream) {
    RelayReport report =
        new RelayReport(proxy.context().telemetry().opened(facts, beganNanos, loop), this::onEnded);
    Relay relay =
        Relay.outbound(loop, downstream, upstream, proxy.settings().halfClosedProbing(), report);
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
  public ConnectionSummary summary() {
    return summary;
  }

  @Override
  public void cut(ConnectionFailure cause) {
    loop.execute(
        () -> {
          switch (state) {
            case State.Locating _ -> refuse(cause);
            case State.Dialling(Attempt attempt) -> {
              attempt.giveUp();
              attempt.fail(cause);
            }
            case State.Relaying(Relay relay, RelayReport report) -> report.cut(relay, cause);
            case State.Ended _ -> {} // it ended while the order was under way
          }
        });
  }

  @Override
  public void reauthorize() {
    // Policies are asked where a connection comes in, not where it leaves.
  }

  /** One try at one endpoint. Once another has taken its place its outcome does not count. */
  private final class Attempt implements TunnelOpening {
    private final Workload local;

    /** Uids of the workloads that are to blame if it fails: the hop's, and who is behind it. */
    private List<String> tried = List.of();

    private @Nullable Hop hop;
    private @Nullable ConnectionFacts facts;
    private @Nullable Runnable cancel;
    private @Nullable ScheduledFuture<?> timer;

    Attempt(Workload local) {
      this.local = local;
    }

    void resolve(UnresolvedRoute unresolved) {
      proxy.context().metrics().onDemandDns(Reports.source(local), unresolved.hostname());
      proxy
          .context()
          .upstreams()
          .resolver()
          .resolve(loop, unresolved.hostname())
          .addListener(
              (Future<List<InetAddress>> answer) -> {
                if (isCurrent()) {
                  follow(
                      this,
                      answer.isSuccess()
                          ? unresolved.resolved(answer.getNow(), ThreadLocalRandom.current())
                          : unresolved.failed());
                }
              });
    }

    void dialTcp(@Nullable Hop nextHop, InetSocketAddress address, ConnectionFacts dialled) {
      if (nextHop != null) {
        begin(nextHop);
      }
      facts = dialled;
      summary = summary(address, "TCP");
      UpstreamDial dial = new UpstreamDial();
      Future<Channel> connected =
          proxy.sockets().connect(loop, address, null, dial, proxy.settings().connectTimeout());
      cancel = () -> connected.cancel(false);
      limitTime();
      connected.addListener(
          (Future<Channel> done) -> {
            if (!isCurrent()) {
              if (done.isSuccess()) {
                TcpLeg.reset(done.getNow());
              }
            } else if (done.isSuccess()) {
              onUpstream(dial.leg());
            } else {
              onFailure(Failures.ofConnect(Dial.PLAIN, address, done.cause()), EndpointFault.YES);
            }
          });
    }

    void openTunnel(Route.Hbone route) {
      begin(route.hop());
      InetSocketAddress address = route.hop().address();
      facts =
          Reports.tunnelledOutbound(
              local, source, address, route.authority(), route.hop().workload(), route.service());
      summary = summary(address, "HBONE");
      PendingTunnel pending =
          proxy
              .pool(loop)
              .open(
                  key(route.hop()),
                  Headers.request(local, route.authority(), source, route.service()),
                  this);
      cancel = pending::cancel;
      limitTime();
    }

    /** A tunnel to the gateway of another network, and one within it to a peer over there. */
    void openNestedTunnel(Route.DoubleHbone route) {
      Hop gateway = route.gateway();
      begin(gateway, route.endpoint());
      facts =
          Reports.tunnelledOutbound(
              local,
              source,
              gateway.address(),
              route.authority(),
              gateway.workload(),
              route.service());
      summary = summary(gateway.address(), "DOUBLEHBONE");
      NestedPeer peer = new NestedPeer(key(gateway), route.innerIdentities(), route.authority());
      ConnectRequest outer = Headers.request(local, route.authority(), source, route.service());
      PendingTunnel pending =
          proxy
              .pool(loop)
              .openNested(
                  peer,
                  outer,
                  outer.fromNetwork(proxy.settings().network()),
                  new NestedOpening(this, route));
      cancel = pending::cancel;
      limitTime();
    }

    private void begin(Hop chosen, String... behind) {
      hop = chosen;
      tried =
          Stream.concat(Stream.of(chosen.workload().uid()), Stream.of(behind)).distinct().toList();
      tried.forEach(proxy.context().upstreams().health()::attempted);
    }

    private PeerKey key(Hop to) {
      return new PeerKey(
          local.identity().toString(),
          to.acceptedIdentities(),
          to.address(),
          source.getAddress(),
          to.workload().uid());
    }

    private void limitTime() {
      @Nullable Hop chosen = hop;
      if (chosen != null && chosen.otherEndpoints() > 0) {
        timer =
            loop.schedule(
                () -> {
                  if (isCurrent()) {
                    giveUp();
                    onFailure(
                        new ConnectionFailure.Http2Failed(
                            Http2Failure.ANSWER_TIMED_OUT,
                            "no answer from %s within %d ms"
                                .formatted(
                                    NetUtil.toSocketAddressString(chosen.address()),
                                    ATTEMPT_MILLIS)),
                        EndpointFault.YES);
                  }
                },
                ATTEMPT_MILLIS,
                TimeUnit.MILLISECONDS);
      }
    }

    /** Whether the connection still waits for this attempt. */
    private boolean isCurrent() {
      return state instanceof State.Dialling(Attempt current) && current.equals(this);
    }

    /** Stops waiting; what was begun is closed. */
    void giveUp() {
      stopTimer();
      if (cancel != null) {
        Runnable action = cancel;
        cancel = null;
        action.run();
      }
    }

    private void stopTimer() {
      if (timer != null) {
        timer.cancel(false);
        timer = null;
      }
    }

    @Override
    public TunnelListener onOpened(Tunnel tunnel, TlsPeer peer, @Nullable String baggage) {
      TunnelLeg leg = new TunnelLeg(tunnel);
      if (isCurrent()) {
        onUpstream(leg);
      } else {
        leg.abort();
      }
      return leg;
    }

    /** The peer over there has told who it is, which takes the place of its gateway in reports. */
    private void meet(Route.DoubleHbone route, TlsPeer peer, @Nullable String baggage) {
      facts =
          Reports.nestedOutbound(
              local,
              source,
              route.gateway().address(),
              route.authority(),
              proxy.settings().exchangeBaggage() ? PeerMetadata.of(baggage) : PeerMetadata.NONE,
              peer.identity().orElse(null),
              route.service());
    }

    private void onNestedFailed(Route.DoubleHbone route, HboneFailure failure) {
      if (isCurrent()) {
        onFailure(
            Failures.ofNestedTunnel(failure, route.gateway().address()),
            !Failures.isEndpointsFault(failure)
                ? EndpointFault.NO
                : Failures.isBeyondGateway(failure)
                    ? EndpointFault.ONE_OF_MANY
                    : EndpointFault.YES);
      }
    }

    @Override
    public void onFailed(HboneFailure failure) {
      if (isCurrent()) {
        onFailure(
            Failures.ofTunnel(failure),
            Failures.isEndpointsFault(failure) ? EndpointFault.YES : EndpointFault.NO);
      }
    }

    private void onUpstream(Leg upstream) {
      stopTimer();
      tried.forEach(proxy.context().upstreams().health()::succeeded);
      relay(requireFacts(), upstream);
    }

    private void onFailure(ConnectionFailure failure, EndpointFault fault) {
      stopTimer();
      if (hop != null && fault != EndpointFault.NO) {
        if (fault == EndpointFault.YES) {
          tried.forEach(proxy.context().upstreams().health()::failed);
        }
        if (mayRetry(hop)) {
          if (failed == null) {
            failed = new HashSet<>();
          }
          failed.addAll(tried);
          ProxyLog.retrying(source, hop, failure);
          attempt(local);
          return;
        }
      }
      fail(failure);
    }

    void fail(ConnectionFailure cause) {
      if (facts == null) {
        refuse(cause);
      } else {
        OutboundConnection.this.fail(facts, cause);
      }
    }

    private ConnectionFacts requireFacts() {
      if (facts == null) {
        throw new IllegalStateException("an upstream before it was dialled");
      }
      return facts;
    }
  }

  private enum EndpointFault {
    YES,
    /** Of one of many that are behind a gateway: another may do better, and so may the gateway. */
    ONE_OF_MANY,
    NO
  }

  /** Hears of a tunnel within a tunnel: only then it is known who the peer is. */
  private record NestedOpening(Attempt attempt, Route.DoubleHbone route) implements TunnelOpening {
    @Override
    public TunnelListener onOpened(Tunnel tunnel, TlsPeer peer, @Nullable String baggage) {
      attempt.meet(route, peer, baggage);
      return attempt.onOpened(tunnel, peer, baggage);
    }

    @Override
    public void onFailed(HboneFailure failure) {
      attempt.onNestedFailed(route, failure);
    }
  }
}
