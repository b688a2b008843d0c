package io.ztunnel.proxy;

import io.netty.buffer.PooledByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoop;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.netty.util.concurrent.PromiseCombiner;
import io.netty.util.concurrent.ScheduledFuture;
import io.ztunnel.dns.DnsServer;
import io.ztunnel.hbone.HbonePool;
import io.ztunnel.hbone.SocketReads;
import io.ztunnel.mesh.MeshChange;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.Registration;
import io.ztunnel.mesh.Workload;
import io.ztunnel.mesh.WorkloadInfo;
import io.ztunnel.redirection.ListenerSettings;
import io.ztunnel.redirection.SocketFactory;
import io.ztunnel.routing.InboundRouter;
import io.ztunnel.routing.OutboundRouter;
import io.ztunnel.routing.PodHealth;
import io.ztunnel.routing.TlsPassthrough;
import io.ztunnel.telemetry.ConnectionFailure;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The proxy of one workload: its listeners in the workload's network namespace, the connections
 * they accept, and the pools of tunnels it opens.
 *
 * <p>Started and drained by the control thread. Connections live on the event loops, each on one;
 * they register with {@link #connections} and the server ends of tunnels with {@link #sessions}.
 * There is one pool for each loop, confined to it.
 */
public final class PodProxy implements WorkloadProxy {
  /** What the proxy listens for. */
  public enum Role {
    /** All of a workload's traffic, in and out. */
    WORKLOAD,
    /** Names only: the workload's traffic is not ours. */
    DNS,
    /** Tunnels to the daemon itself, whose ports are not redirected. */
    SELF,
    /** Tunnels of other networks, which are passed on. */
    GATEWAY
  }

  /** How often a drain looks whether the last connection has ended. */
  private static final long DRAIN_POLL_MILLIS = 20;

  /** How often it still looks after everything was told to close. */
  private static final int MAX_POLLS_AFTER_CLOSE = 50;

  private final EventExecutor control;
  private final ProxyContext context;
  private final ProxySettings settings;
  private final Discovery discovery;

  /** Of its own, so that peers cannot use up what the pod's own connections need to know. */
  private final Discovery inboundDiscovery;

  private final SocketFactory sockets;
  private final Role role;

  /** Only of a gateway. */
  private final @Nullable GatewayContext gateway;

  private final LocalWorkload workload;
  private final OutboundRouter router;
  private final InboundRouter inboundRouter;
  private final ConnectionTable connections;
  private final ApplicationPorts applicationPorts = new ApplicationPorts();
  private final RetryBudget retries;
  private final Set<InboundSession> sessions = ConcurrentHashMap.newKeySet();
  private final Map<EventLoop, HbonePool> pools = new ConcurrentHashMap<>();
  private final PodListeners listeners;
  private final Promise<Void> drained;
  private @Nullable Registration meshRegistration;

  /** Kept while it drains: until the last connection has ended. */
  private @Nullable Registration revocationRegistration;

  private @Nullable DrainMode draining;
  private @Nullable Handover handover;
  private @Nullable ScheduledFuture<?> deadline;
  private @Nullable ScheduledFuture<?> poll;
  private int polls;

  /** Done when no loop has a connection left that was accepted before the listeners were closed. */
  private @Nullable Future<Void> arrival;

  /** Unset by the control thread when the listeners close, read by event loops. */
  private volatile boolean accepting = true;

  /** Set by the control thread, read by event loops. */
  private volatile boolean closed;

  public PodProxy(
      EventExecutor control,
      ProxyContext context,
      SocketFactory sockets,
      WorkloadInfo info,
      Role role) {
    this(control, context, sockets, info, role, null);
  }

  private PodProxy(
      EventExecutor control,
      ProxyContext context,
      SocketFactory sockets,
      WorkloadInfo info,
      Role role,
      @Nullable GatewayContext gateway) {
    this.control = control;
    this.context = context;
    this.settings = role == Role.WORKLOAD ? context.settings().forPod() : context.settings();
    this.discovery = PodDiscovery.of(context.discovery());
    this.inboundDiscovery = PodDiscovery.of(context.discovery());
    this.sockets = sockets;
    this.role = role;
    this.gateway = gateway;
    this.connections = new ConnectionTable(context.drains());
    this.retries = new RetryBudget(context.telemetry()::nanoTime);
    this.listeners = new PodListeners(control, context, sockets);
    this.workload = new LocalWorkload(context.mesh(), info);
    this.router = settings.outboundRouter();
    this.inboundRouter = settings.inboundRouter();
    this.drained = control.newPromise();
  }

  /** The proxy of a gateway between networks, whose own workload this is. */
  public static PodProxy gateway(
      EventExecutor control,
      ProxyContext context,
      SocketFactory sockets,
      WorkloadInfo info,
      GatewayContext gateway) {
    return new PodProxy(control, context, sockets, info, Role.GATEWAY, gateway);
  }

  @Override
  public Future<Void> start() {
    assert control.inEventLoop();
    meshRegistration = context.mesh().observe(this::onMeshChange);
    revocationRegistration = context.certificates().revoked().observe(this::closeRevoked);
    boolean servesNames = role == Role.WORKLOAD || role == Role.DNS;
    Promise<Void> started = control.newPromise();
    listeners
        .start(wanted(), servesNames ? context.dns() : null, workload::await)
        .addListener(
            (Future<Void> bound) -> {
              if (bound.isSuccess()) {
                started.trySuccess(null);
              } else {
                closeAll(); // and the failure is told when the listeners that were bound are gone
                drained.addListener(_ -> started.tryFailure(bound.cause()));
              }
            });
    return started;
  }

  /** What a proxy of this role listens for. */
  private List<PodListeners.Wanted> wanted() {
    List<PodListeners.Wanted> wanted = new ArrayList<>();
    if (role != Role.DNS) {
      wanted.add(
          new PodListeners.Wanted(
              "inbound",
              ListenerSettings.wildcard(ProxySettings.HBONE_PORT),
              channel -> InboundSession.install(this, channel)));
    }
    if (role == Role.WORKLOAD) {
      wanted.add(
          new PodListeners.Wanted(
              "inbound plaintext",
              ListenerSettings.wildcard(ProxySettings.PASSTHROUGH_PORT).withKeepalive(),
              channel -> PassthroughConnection.install(this, channel)));
      wanted.add(
          new PodListeners.Wanted(
              "outbound",
              ListenerSettings.wildcard(ProxySettings.OUTBOUND_PORT).withKeepalive().withoutMark(),
              channel -> OutboundConnection.install(this, channel)));
      if (settings.socks5()) {
        wanted.add(
            new PodListeners.Wanted(
                "socks5",
                ListenerSettings.at(
                    new InetSocketAddress(
                        InetAddress.getLoopbackAddress(), ProxySettings.SOCKS5_PORT)),
                channel -> Socks5Negotiation.install(this, channel)));
      }
    }
    if (gateway != null) {
      addServers(gateway, wanted);
    }
    return wanted;
  }

  /** On each port for all servers that clients may ask for there. */
  private void addServers(GatewayContext gateway, List<PodListeners.Wanted> wanted) {
    gateway.servers().stream()
        .collect(Collectors.groupingBy(TlsPassthrough::port, TreeMap::new, Collectors.toList()))
        .forEach(
            (port, servers) ->
                wanted.add(
                    new PodListeners.Wanted(
                        "gateway passthrough",
                        ListenerSettings.wildcard(port).withKeepalive(),
                        channel ->
                            TlsPassthroughConnection.install(this, gateway, servers, channel))));
  }

  /** Options of every socket that a relay will hold. */
  static void prepare(Channel channel) {
    channel.config().setOption(ChannelOption.ALLOCATOR, PooledByteBufAllocator.DEFAULT);
    channel.config().setOption(ChannelOption.RECVBUF_ALLOCATOR, SocketReads.ofPayload());
    channel.config().setOption(ChannelOption.ALLOW_HALF_CLOSURE, true);
    channel.config().setOption(ChannelOption.AUTO_READ, false);
  }

  ProxyContext context() {
    return context;
  }

  ProxySettings settings() {
    return settings;
  }

  /** Asks the control plane for what the pod's own connections need to know. */
  Discovery discovery() {
    return discovery;
  }

  /** Asks it for what connections to the pod need to know. */
  Discovery inboundDiscovery() {
    return inboundDiscovery;
  }

  /** What it needs to pass tunnels on; null unless it is a gateway's. */
  @Nullable GatewayContext gateway() {
    return gateway;
  }

  LocalWorkload workload() {
    return workload;
  }

  OutboundRouter router() {
    return router;
  }

  InboundRouter inboundRouter() {
    return inboundRouter;
  }

  SocketFactory sockets() {
    return sockets;
  }

  ConnectionTable table() {
    return connections;
  }

  Set<InboundSession> sessions() {
    return sessions;
  }

  ApplicationPorts applicationPorts() {
    return applicationPorts;
  }

  /** How many of its connections may be tried again. */
  RetryBudget retries() {
    return retries;
  }

  /**
   * Tells peers to keep no tunnels to this workload in store (GOAWAY): those that are open go on to
   * their end, the next ones need a new connection. Any thread.
   */
  void releaseTunnels() {
    sessions.forEach(InboundSession::drain);
  }

  /**
   * What knows the names of the workload; null if it has no DNS server. Any thread once started.
   */
  @Nullable DnsServer dns() {
    return listeners.dns();
  }

  /**
   * Whether the process has no memory for another connection of this pod; at a gateway, of a client
   * that has nothing yet.
   */
  boolean isOverloaded() {
    return context.admission().refuses(gateway == null ? connections.size() + sessions.size() : 0);
  }

  /** Whether a gateway has no memory for another one of a client. */
  boolean isOverloaded(SourceLimits limits, String source) {
    return context.admission().refuses(limits.open(source));
  }

  /** Whether upstreams see the address of the client instead of the proxy's. */
  boolean keepsSource() {
    return settings.keepSource() && role == Role.WORKLOAD && listeners.isTransparent();
  }

  /** Whether peers may go on using the tunnels of a new connection. */
  boolean isAccepting() {
    return accepting;
  }

  /** Whether new connections are to be dropped: the proxy has ended. */
  boolean isClosed() {
    return closed;
  }

  /** The pool of this loop; called on it. */
  HbonePool pool(EventLoop loop) {
    assert loop.inEventLoop();
    HbonePool pool =
        pools.computeIfAbsent(
            loop,
            owner ->
                new HbonePool(
                    owner,
                    settings.hbone(),
                    new PodConnector(sockets, context.certificates(), settings.connectTimeout()),
                    context.hboneObserver()));
    if (closed) {
      pool.close(); // it may have come when the others had been closed
    }
    return pool;
  }

  /** The name of a workload stands for these addresses now; called on the loop of who has asked. */
  void onResolved(EventLoop loop, PodHealth health, Workload named, List<InetAddress> addresses) {
    if (!closed) {
      pool(loop).onResolved(named.uid(), addresses);
      context.upstreams().gateways().onResolved(health, named, addresses);
    }
  }

  private void onMeshChange(MeshChange change) {
    assert control.inEventLoop();
    if (!change.workloads().isEmpty()) {
      retireTunnels(change.before(), change.after());
    }
    if (change.policies() || isOwnChanged(change)) {
      connections.forEach(LiveConnection::reauthorize);
    }
  }

  private boolean isOwnChanged(MeshChange change) {
    @Nullable Workload own = change.after().localWorkload(workload.info());
    return own != null && !own.equals(change.before().localWorkload(workload.info()));
  }

  /** By the tunnels there are, not by what has changed: that may be all of the mesh. */
  private void retireTunnels(MeshView before, MeshView after) {
    pools.forEach(
        (loop, pool) ->
            loop.execute(() -> pool.retire(key -> isMoved(key.workloadUid(), before, after))));
  }

  private static boolean isMoved(String uid, MeshView before, MeshView after) {
    @Nullable Workload former = before.workload(uid);
    @Nullable Workload present = after.workload(uid);
    return former != null
        && !former.equals(present)
        && (present == null || !former.isReachedAs(present));
  }

  /** Ends the connections of peers whose certificates are revoked by now. */
  private void closeRevoked() {
    assert control.inEventLoop();
    sessions.forEach(InboundSession::closeIfRevoked);
    pools.forEach((loop, pool) -> loop.execute(pool::closeRevoked));
  }

  @Override
  public List<ConnectionSummary> connections() {
    return connections.summaries();
  }

  @Override
  public Future<Void> drain(DrainMode mode) {
    assert control.inEventLoop();
    boolean first = draining == null;
    if (first || mode == DrainMode.IMMEDIATE) {
      draining = mode;
    }
    if (first) {
      listeners.giveUpStart();
      context.drains().begin(connections);
      drained.addListener(_ -> context.drains().end(connections));
    }
    if (mode == DrainMode.IMMEDIATE) {
      stopAccepting();
      closeAll();
    } else if (first) {
      deadline =
          control.schedule(
              this::onDeadline, settings.drainDeadline().toMillis(), TimeUnit.MILLISECONDS);
      handOver();
      awaitIdle();
    }
    return drained;
  }

  private void handOver() {
    if (!sockets.sharesPorts()) {
      stopAccepting(); // another process can listen only when we do not
      return;
    }
    handover =
        new Handover(
            control,
            sockets,
            listeners.ports(),
            context.drains()::isIdle,
            settings.handoverWait(),
            outcome -> {
              ProxyLog.handedOver(workload.info(), outcome);
              stopAccepting();
            });
    handover.begin();
  }

  /** Closes the listeners and tells peers to take their next tunnels elsewhere. */
  private void stopAccepting() {
    assert control.inEventLoop();
    if (handover != null) {
      handover.cancel();
      handover = null;
    }
    accepting = false; // first, for sessions that begin just now
    listeners.drain();
    releaseTunnels();
  }

  private void onDeadline() {
    if (!closed) {
      List<ConnectionSummary> left = connections.summaries();
      ProxyLog.drainExpired(workload.info(), left);
      context.drains().onCut(left.size());
      closeAll();
    }
  }

  private void awaitIdle() {
    assert control.inEventLoop();
    if (poll != null) {
      poll.cancel(false);
      poll = null;
    }
    if (isIdle()) {
      closeAll();
      drained.trySuccess(null);
    } else if (polls < MAX_POLLS_AFTER_CLOSE || !closed) {
      polls = closed ? polls + 1 : 0;
      poll = control.schedule(this::awaitIdle, DRAIN_POLL_MILLIS, TimeUnit.MILLISECONDS);
    } else {
      drained.trySuccess(null);
    }
  }

  private boolean isIdle() {
    // In this order: what was accepted last is told of by its own loop, and perhaps not yet.
    return listeners.isClosed() && allHaveArrived() && connections.isEmpty() && sessions.isEmpty();
  }

  /** Whether each loop has got to what was given to it before the listeners were closed. */
  private boolean allHaveArrived() {
    Future<Void> barrier = arrival;
    if (barrier == null) {
      Promise<Void> passed = control.newPromise();
      var loops = new PromiseCombiner(control);
      context.loops().forEach(loop -> loops.add(loop.submit(() -> {})));
      loops.finish(passed);
      arrival = passed;
      return false;
    }
    return barrier.isDone();
  }

  /** Ends everything that is left. */
  private void closeAll() {
    assert control.inEventLoop();
    if (closed) {
      return;
    }
    closed = true;
    accepting = false;
    if (handover != null) {
      handover.cancel();
      handover = null;
    }
    if (meshRegistration != null) {
      meshRegistration.cancel();
    }
    if (revocationRegistration != null) {
      revocationRegistration.cancel();
    }
    if (deadline != null) {
      deadline.cancel(false);
    }
    listeners.close();
    connections.cutAll(new ConnectionFailure.Drained());
    sessions.forEach(InboundSession::close);
    pools.forEach((loop, pool) -> loop.execute(pool::close));
    awaitIdle();
  }
}
