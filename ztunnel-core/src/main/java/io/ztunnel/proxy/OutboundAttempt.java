package io.ztunnel.proxy;

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
import io.ztunnel.hbone.TunnelProgress;
import io.ztunnel.mesh.ServiceName;
import io.ztunnel.mesh.Workload;
import io.ztunnel.routing.Candidate;
import io.ztunnel.routing.Hop;
import io.ztunnel.routing.OutboundCall;
import io.ztunnel.routing.PodHealth;
import io.ztunnel.routing.Route;
import io.ztunnel.routing.RouteFailure;
import io.ztunnel.routing.RouteResult;
import io.ztunnel.routing.UnresolvedRoute;
import io.ztunnel.telemetry.ConnectionFacts;
import io.ztunnel.telemetry.ConnectionFailure;
import io.ztunnel.telemetry.ConnectionFailure.Dial;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * One try of an outbound connection at one endpoint. Once the connection does not wait for it any
 * more, its outcome does not count.
 *
 * <p>Confined to the connection's event loop.
 */
final class OutboundAttempt implements TunnelOpening {
  /**
   * How long one endpoint is given when there are others. One that is there answers in far less;
   * one that has gone must not use up the time of the whole connection.
   */
  private static final long ATTEMPT_MILLIS = 2_000;

  /**
   * How long a gateway that cannot be reached, or a name server, is waited for alone. A gateway may
   * be an ocean away; a dial is two round trips.
   */
  private static final long ALONE_MILLIS = 500;

  /** The connection that it is made for. */
  interface Race {
    /** Whether the outcome of this attempt still counts. */
    boolean awaits(OutboundAttempt attempt);

    /** It is known now where the attempt goes. */
    void follow(OutboundAttempt attempt, RouteResult result);

    /** This is dialled. */
    void dialling(InetSocketAddress address, String protocol);

    /** The attempt has made it. */
    void onUpstream(OutboundAttempt winner, ConnectionFacts facts, Leg upstream);

    /** The attempt came to nothing. */
    void onFailure(OutboundAttempt loser, ConnectionFailure failure, EndpointFault fault);

    /** Who was chosen cannot be reached so far: another may be tried beside it. */
    void overtake(OutboundAttempt slow);

    /** Whether the only gateway may be dialled once more, in place of an attempt; once if so. */
    boolean mayDialAnew();
  }

  private final PodProxy proxy;
  private final EventLoop loop;
  private final InetSocketAddress source;
  private final Workload local;
  private final Race race;
  private final PodHealth health;

  /** Null: nobody yet, or nobody whom the mesh knows. */
  private @Nullable Candidate candidate;

  private Route.@Nullable DoubleHbone twice;
  private @Nullable ConnectionFacts facts;
  private @Nullable Runnable cancel;
  private @Nullable PendingTunnel pending;
  private @Nullable ScheduledFuture<?> timer;

  /** Given up by us: what its closing brings about is no outcome. */
  private boolean given;

  /** It was so slow that another was begun beside it. */
  private boolean overtaken;

  /** The connection to the gateway was there, and has gone. */
  private boolean cutOff;

  /** It ends because another one may be made in its place. */
  private boolean replaced;

  OutboundAttempt(
      PodProxy proxy, EventLoop loop, InetSocketAddress source, Workload local, Race race) {
    this.proxy = proxy;
    this.loop = loop;
    this.source = source;
    this.local = local;
    this.race = race;
    this.health = proxy.context().upstreams().health().of(local.uid());
  }

  Workload local() {
    return local;
  }

  /** What is reported of it; null: it is not known yet where it goes. */
  @Nullable ConnectionFacts facts() {
    return facts;
  }

  /** Whom it tries to reach, or has tried. */
  Candidate candidate() {
    if (candidate == null) {
      throw new IllegalStateException("nobody was chosen");
    }
    return candidate;
  }

  private Hop dialled() {
    if (candidate instanceof Hop hop) {
      return hop;
    }
    throw new IllegalStateException("nothing was dialled");
  }

  /** Whether another endpoint or gateway could be tried in its place. */
  boolean hasOthers() {
    return candidate != null && candidate.otherEndpoints() > 0;
  }

  /** Whether it lost its connection to the gateway: that one may be old, the gateway in order. */
  boolean isCutOff() {
    return cutOff;
  }

  /** Whether it ended for another one to be made, as it was allowed. */
  boolean isReplaced() {
    return replaced;
  }

  /** How far it has come. */
  TunnelProgress progress() {
    return pending == null ? TunnelProgress.DIALLING : pending.progress();
  }

  /** What further attempts of the connection avoid after such a failure of this one. */
  List<String> toAvoid(EndpointFault fault) {
    if (candidate == null) {
      return List.of();
    }
    List<String> keys = new ArrayList<>(candidate.keys());
    if (twice != null && (fault == EndpointFault.ONE_OF_MANY || fault == EndpointFault.OWN)) {
      keys.add(twice.endpoint()); // another gateway to it would do no better
    }
    return keys;
  }

  void resolve(UnresolvedRoute unresolved) {
    proxy.context().metrics().onDemandDns(Reports.source(local), unresolved.hostname());
    begin(unresolved);
    if (hasOthers()) {
      limitTime(ALONE_MILLIS, () -> onNameSlow(unresolved));
    }
    proxy
        .context()
        .upstreams()
        .resolver()
        .resolve(loop, unresolved.hostname())
        .addListener((Future<List<InetAddress>> answer) -> onAnswer(unresolved, answer));
  }

  private void onNameSlow(UnresolvedRoute unresolved) {
    limitTime(ATTEMPT_MILLIS - ALONE_MILLIS, () -> onUnresolved(unresolved.failed()));
    overtake();
  }

  private void onAnswer(UnresolvedRoute unresolved, Future<List<InetAddress>> answer) {
    if (answer.isSuccess()) {
      proxy.onResolved(loop, health, unresolved.workload(), answer.getNow());
    }
    RouteResult result =
        answer.isSuccess()
            ? unresolved.resolved(answer.getNow(), ThreadLocalRandom.current())
            : unresolved.failed();
    if (result instanceof RouteFailure failure) {
      onUnresolved(failure);
    } else if (isAwaited()) {
      stopTimer();
      overtaken = false; // that was the name's fault
      race.follow(this, result);
    }
  }

  private void onUnresolved(RouteFailure failure) {
    if (isAwaited()) {
      onFailure(Failures.of(failure), EndpointFault.YES);
    }
  }

  /**
   * Dials without a tunnel.
   *
   * @param to null: nothing that the mesh knows
   * @param service for reports
   */
  void dialTcp(@Nullable Hop to, InetSocketAddress address, @Nullable ServiceName service) {
    if (to != null) {
      begin(to);
    }
    facts =
        Reports.plainOutbound(local, source, address, to == null ? null : to.workload(), service);
    race.dialling(address, "TCP");
    UpstreamDial dial = new UpstreamDial(loop, new PlainOpening(this, address));
    cancel = dial::cancel;
    limitTime();
    dial.begin(proxy, address, null);
  }

  void openTunnel(Route.Hbone route) {
    begin(route.hop());
    InetSocketAddress address = route.hop().address();
    facts =
        Reports.tunnelledOutbound(
            local, source, address, route.authority(), route.hop().workload(), route.service());
    race.dialling(address, "HBONE");
    await(
        proxy
            .pool(loop)
            .open(
                key(route.hop()),
                Headers.request(local, route.authority(), source, route.service()),
                this));
    if (hasOthers()) {
      limitTime(ALONE_MILLIS, this::onUnansweredForLong);
    }
  }

  /** Has the end of the time tell a peer that is silent from an application that is. */
  private void onUnansweredForLong() {
    limitTime(ATTEMPT_MILLIS - ALONE_MILLIS);
    if (pending != null) {
      pending.probe();
    }
  }

  /** A tunnel to the gateway of another network, and one within it to a peer over there. */
  void openNestedTunnel(Route.DoubleHbone route) {
    twice = route;
    Hop gateway = route.gateway();
    begin(gateway);
    facts =
        Reports.tunnelledOutbound(
            local,
            source,
            gateway.address(),
            route.authority(),
            gateway.workload(),
            route.service());
    race.dialling(gateway.address(), "DOUBLEHBONE");
    proxy.context().upstreams().gateways().used(gateway.workload().network(), gateway.address());
    NestedPeer peer = new NestedPeer(key(gateway), route.innerIdentities(), route.authority());
    ConnectRequest outer = Headers.request(local, route.authority(), source, route.service());
    await(
        proxy
            .pool(loop)
            .openNested(
                peer,
                outer,
                outer.fromNetwork(proxy.settings().network()),
                new NestedOpening(this, route)));
    limitTime(
        ALONE_MILLIS, gateway.otherEndpoints() > 0 ? this::onAloneForLong : this::onOnlyForLong);
  }

  private void await(PendingTunnel tunnel) {
    pending = tunnel;
    cancel = tunnel::cancel;
  }

  private void begin(Candidate chosen) {
    candidate = chosen;
    chosen.keys().forEach(health::attempted);
    if (chosen instanceof Hop hop) {
      hop.applicationKeys().forEach(health::attempted);
    }
  }

  private PeerKey key(Hop to) {
    return new PeerKey(
        local.identity().toString(),
        to.acceptedIdentities(),
        to.address(),
        source.getAddress(),
        to.workload().uid());
  }

  /** Looks whether the gateway is there, asks for a sign of life, and looks once more. */
  private void onAloneForLong() {
    limitTime(ATTEMPT_MILLIS - ALONE_MILLIS);
    if (overtakenIfUnreached() || pending == null) {
      return;
    }
    pending.probe();
    limitTime(ALONE_MILLIS, this::onProbed);
  }

  private void onProbed() {
    limitTime(ATTEMPT_MILLIS - 2 * ALONE_MILLIS);
    boolean _ = overtakenIfUnreached();
  }

  /** As above where there is no other: what may help is another connection to the same one. */
  private void onOnlyForLong() {
    timer = null;
    if (isAwaited() && pending != null) {
      pending.probe();
      limitTime(ALONE_MILLIS, this::onOnlyProbed);
    }
  }

  private void onOnlyProbed() {
    timer = null;
    if (!isAwaited() || progress() != TunnelProgress.SILENT) {
      return;
    }
    if (race.mayDialAnew()) {
      replaced = true;
      onLate(Duration.ofMillis(2 * ALONE_MILLIS));
    } else {
      limitTime(proxy.settings().connectTimeout().toMillis(), this::onOnlySilent);
    }
  }

  /** It has had the time of a dial to be heard of again. */
  private void onOnlySilent() {
    timer = null;
    if (progress() == TunnelProgress.SILENT) {
      onLate(proxy.settings().connectTimeout().plusMillis(2 * ALONE_MILLIS));
    }
  }

  private boolean overtakenIfUnreached() {
    return progress().isUnreached() && overtake();
  }

  private boolean overtake() {
    boolean awaited = isAwaited();
    if (awaited) {
      overtaken = true;
      race.overtake(this);
    }
    return awaited;
  }

  private void limitTime() {
    if (hasOthers()) {
      limitTime(ATTEMPT_MILLIS);
    }
  }

  private void limitTime(long millis) {
    limitTime(millis, this::onTimeUp);
  }

  private void limitTime(long millis, Runnable then) {
    stopTimer();
    timer = loop.schedule(then, millis, TimeUnit.MILLISECONDS);
  }

  private void onTimeUp() {
    timer = null;
    onLate(Duration.ofMillis(ATTEMPT_MILLIS));
  }

  private void onLate(Duration waited) {
    TunnelProgress progress = progress();
    if (!isAwaited()) {
      return;
    }
    if (progress == TunnelProgress.CERTIFICATE) {
      limitTime(ATTEMPT_MILLIS); // elsewhere it would be missing too
      return;
    }
    InetSocketAddress address = dialled().address();
    ConnectionFailure failure =
        pending == null
            ? Failures.ofLateDial(Dial.PLAIN, address, waited)
            : Failures.ofLate(progress, address, waited);
    leaveIfSilent(progress);
    giveUp();
    if (twice == null) {
      onFailure(failure, pending == null ? EndpointFault.APPLICATION : Failures.faultOf(progress));
    } else {
      EndpointFault fault = Failures.faultBehindGateway(progress);
      onFailure(
          fault == EndpointFault.ONE_OF_MANY
              ? new ConnectionFailure.BeyondGateway(failure, NetUtil.toSocketAddressString(address))
              : failure,
          fault);
    }
  }

  /** Whether the connection waits for the outcome. */
  private boolean isAwaited() {
    return !given && race.awaits(this);
  }

  /** Stops waiting; what was begun is closed. */
  void giveUp() {
    given = true;
    stopTimer();
    if (cancel != null) {
      Runnable action = cancel;
      cancel = null;
      action.run();
    }
  }

  /** Another attempt has made it: if it began later, this one's gateway is in no good state. */
  void lose() {
    TunnelProgress progress = progress();
    if (overtaken && progress.isUnreached()) {
      leaveIfSilent(progress);
      blame(progress.text());
    }
    giveUp();
  }

  /** Has the next attempt dial anew. */
  private void leaveIfSilent(TunnelProgress progress) {
    if (progress == TunnelProgress.SILENT) {
      proxy.pool(loop).leaveSilent(key(dialled()));
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
    if (isAwaited()) {
      onUpstream(leg);
    } else {
      leg.abort();
    }
    return leg;
  }

  @Override
  public void onFailed(HboneFailure failure) {
    if (isAwaited()) {
      if (failure instanceof HboneFailure.Rejected && candidate instanceof Hop hop) {
        proxy.context().upstreams().answered(health, hop);
      }
      onFailure(Failures.ofTunnel(failure), Failures.faultOfTunnel(failure));
    }
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
    if (isAwaited()) {
      cutOff = failure instanceof HboneFailure.OuterFailed(HboneFailure.Http2Failed _);
      onFailure(
          Failures.ofNestedTunnel(failure, route.gateway().address()),
          Failures.faultOfNestedTunnel(failure));
    }
  }

  private void onUpstream(Leg upstream) {
    stopTimer();
    if (candidate instanceof Hop hop) {
      proxy.context().upstreams().succeeded(health, hop);
    }
    if (facts == null) {
      throw new IllegalStateException("an upstream before it was dialled");
    }
    race.onUpstream(this, facts, upstream);
  }

  private void onFailure(ConnectionFailure failure, EndpointFault fault) {
    stopTimer();
    switch (fault) {
      case YES -> blame(failure.message());
      case APPLICATION -> blameApplication();
      case ONE_OF_MANY, OWN, NO -> {}
    }
    race.onFailure(this, failure, fault);
  }

  /** Has who was chosen avoided; a gateway that was dialled until a probe finds it well. */
  private void blame(String why) {
    switch (candidate) {
      case null -> {}
      case Hop gateway when twice != null ->
          proxy
              .context()
              .upstreams()
              .gateways()
              .failed(
                  health,
                  gateway,
                  why,
                  loop,
                  new GatewayProbe(
                      proxy,
                      health,
                      loop,
                      key(gateway),
                      twice,
                      new OutboundCall(local, source.getAddress(), gateway.address())));
      case Candidate other -> other.keys().forEach(health::failed);
    }
  }

  /** Has what was asked for avoided, and nothing else of who was dialled. */
  private void blameApplication() {
    if (candidate instanceof Hop hop) { // nobody is avoided whom the mesh does not know
      hop.applicationKeys().forEach(health::failed);
    }
  }

  /** Hears of a connection without a tunnel. */
  private record PlainOpening(OutboundAttempt attempt, InetSocketAddress address)
      implements UpstreamDial.Listener {
    @Override
    public void onConnected(TcpLeg leg) {
      if (attempt.isAwaited()) {
        attempt.onUpstream(leg);
      } else {
        leg.abort();
      }
    }

    @Override
    public void onDialFailed(Throwable cause) {
      if (attempt.isAwaited()) {
        ConnectionFailure failure = Failures.ofConnect(Dial.PLAIN, address, cause);
        attempt.onFailure(failure, Failures.faultOfDial(failure));
      }
    }
  }

  /** Hears of a tunnel within a tunnel: only then it is known who the peer is. */
  private record NestedOpening(OutboundAttempt attempt, Route.DoubleHbone route)
      implements TunnelOpening {
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
