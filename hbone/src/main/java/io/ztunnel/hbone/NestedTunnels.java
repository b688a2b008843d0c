package io.ztunnel.hbone;

import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler;
import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import java.net.InetSocketAddress;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Tunnels within tunnels, to peers that only a gateway can reach (Istio's double HBONE). The outer
 * tunnel is one of the pool's; in it runs a connection of its own, with TLS to whoever the gateway
 * chose. It is for one inner tunnel, so that every connection of an application is balanced by the
 * gateway (Istio), or, where the settings want some to be kept, one of {@link InnerConnections}.
 *
 * <p>Confined to the pool's event loop.
 */
final class NestedTunnels implements InnerConnections.Home {
  private final EventLoop loop;
  private final HbonePool pool;
  private final HboneSettings settings;
  private final Connector connector;
  private final HboneObserver observer;
  private final InnerLimit limit;

  /** Inner connections for one tunnel that are not over, those in the making included. */
  private final Set<ClientConnection> connections = new HashSet<>();

  private final Map<NestedPeer, InnerConnections> kept = new HashMap<>();

  /** Set by any thread, taken back on the loop. */
  private final AtomicBoolean askedForRoom = new AtomicBoolean();

  private boolean closed;

  /**
   * @param pool where the outer tunnels come from
   * @param connector for the certificates
   */
  NestedTunnels(
      EventLoop loop,
      HbonePool pool,
      HboneSettings settings,
      Connector connector,
      HboneObserver observer) {
    this.loop = loop;
    this.pool = pool;
    this.settings = settings;
    this.connector = connector;
    this.observer = observer;
    this.limit = settings.nested().limit();
  }

  PendingTunnel open(
      NestedPeer peer, ConnectRequest outer, ConnectRequest inner, TunnelOpening opening) {
    TunnelRequest.Line line =
        settings.nested().connections() == 0 ? new Own(peer, outer) : new Shared(peer, outer);
    TunnelRequest request = new TunnelRequest(line, peer.key(), inner, opening);
    line.assign(request);
    return request;
  }

  /** Puts no more tunnels on connections that are kept for peers behind these gateways. */
  void retire(Predicate<PeerKey> gateways) {
    for (InnerConnections each : List.copyOf(kept.values())) {
      if (gateways.test(each.peer().gateway())) {
        each.retire();
      }
    }
  }

  /** Puts no more tunnels on connections through gateways that leave a PING unanswered. */
  void leaveSilent(PeerKey gateway) {
    for (InnerConnections each : List.copyOf(kept.values())) {
      if (each.peer().gateway().equals(gateway)) {
        each.leave(ClientConnection::isSilent);
      }
    }
  }

  /** Puts no more tunnels on connections in tunnels of this one, whose peer goes away. */
  void leave(ClientConnection outer) {
    for (InnerConnections each : List.copyOf(kept.values())) {
      each.leave(inner -> inner.isThrough(outer));
    }
  }

  /** Ends every inner connection. */
  void close() {
    closed = true;
    limit.leave(this);
    List.copyOf(connections).forEach(connection -> connection.close("pool closed"));
    List.copyOf(kept.values()).forEach(InnerConnections::close);
  }

  void closeRevoked() {
    List.copyOf(connections).forEach(ClientConnection::closeIfRevoked);
    List.copyOf(kept.values()).forEach(InnerConnections::closeRevoked);
  }

  @Override
  public ClientConnection.Way way(NestedPeer peer, ConnectRequest outer) {
    return new Way(peer, outer);
  }

  @Override
  public boolean admit() {
    if (closed || limit.tryOpen(this)) {
      return !closed;
    }
    shedIdle();
    if (limit.tryOpen(this)) {
      return true;
    }
    limit.askForRoom(this);
    return false;
  }

  @Override
  public boolean admitSpare() {
    return !closed && limit.tryOpen(this);
  }

  /** Somebody else needs a connection, and there may be no more. Any thread. */
  void makeRoom() {
    if (askedForRoom.compareAndSet(false, true)) {
      loop.execute(
          () -> {
            askedForRoom.set(false);
            shedIdle();
          });
    }
  }

  /** Closes a connection that carries nothing. */
  private void shedIdle() {
    for (InnerConnections each : kept.values()) {
      if (each.shedIdle()) {
        return;
      }
    }
  }

  @Override
  public void onEmpty(InnerConnections empty) {
    kept.remove(empty.peer(), empty);
  }

  /** Where one request waits. */
  private abstract class Line implements TunnelRequest.Line {
    final NestedPeer peer;
    final ConnectRequest outer;

    Line(NestedPeer peer, ConnectRequest outer) {
      this.peer = peer;
      this.outer = outer;
    }

    @Override
    public final void assign(TunnelRequest request) {
      if (closed) {
        loop.execute(() -> request.fail(new HboneFailure.PoolClosed()));
      } else {
        serve(request);
      }
    }

    /** Finds or makes a connection for the request: for the first time, or again. */
    abstract void serve(TunnelRequest request);

    @Override
    public HboneSettings settings() {
      return settings;
    }

    @Override
    public void assertConfined() {
      pool.assertConfined();
    }
  }

  /** For a connection that is kept. */
  private final class Shared extends Line {
    Shared(NestedPeer peer, ConnectRequest outer) {
      super(peer, outer);
    }

    @Override
    void serve(TunnelRequest request) {
      kept.computeIfAbsent(
              peer, _ -> new InnerConnections(loop, peer, settings, observer, NestedTunnels.this))
          .assign(request, outer);
    }

    @Override
    public void onCancelled(TunnelRequest request) {
      @Nullable InnerConnections connections = kept.get(peer);
      if (connections != null) {
        connections.onCancelled(request);
      }
    }

    @Override
    public boolean leaveUnserving(ClientConnection on) {
      @Nullable InnerConnections connections = kept.get(peer);
      if (connections != null) {
        connections.leaveBackend(on);
      }
      return true;
    }

    @Override
    public boolean mayRepeat(ClientConnection lost) {
      return !lost.isCutOffAtGateway();
    }

    @Override
    public @Nullable ClientConnection awaited(TunnelRequest request) {
      @Nullable InnerConnections connections = kept.get(peer);
      return connections == null ? null : connections.awaited();
    }
  }

  /** For a connection of its own. */
  private final class Own extends Line implements ClientConnection.Owner {
    private final InnerReports reports;
    private @Nullable TunnelRequest waiting;
    private @Nullable ClientConnection dialled;

    Own(NestedPeer peer, ConnectRequest outer) {
      super(peer, outer);
      reports = new InnerReports(observer, peer.gateway());
    }

    /** Dials, again when the request was not processed. */
    @Override
    void serve(TunnelRequest request) {
      if (!admit()) {
        loop.execute(() -> request.fail(limit.reached()));
        return;
      }
      ClientConnection connection =
          new ClientConnection(loop, peer.key(), settings, this, observer);
      waiting = request;
      dialled = connection;
      connections.add(connection);
      // Not from inside open: what the connector has ready may fail at once.
      loop.execute(() -> connection.dialThrough(way(peer, outer)));
    }

    @Override
    public void onCancelled(TunnelRequest request) {
      if (dialled != null) {
        dialled.close("nobody waits for it any more");
      }
    }

    @Override
    public @Nullable ClientConnection awaited(TunnelRequest request) {
      return dialled;
    }

    // ClientConnection.Owner

    @Override
    public void onUsable(ClientConnection connection) {
      reports.opened(connection);
      @Nullable TunnelRequest request = waiting;
      waiting = null;
      if (request != null && request.isWaiting()) {
        connection.open(request);
      }
      connection.stopUsing(); // it ends with its only tunnel
    }

    @Override
    public void onDialFailed(ClientConnection connection, HboneFailure failure) {
      connections.remove(connection);
      limit.closed();
      @Nullable TunnelRequest request = waiting;
      waiting = null;
      if (request != null) {
        request.fail(failure);
      }
    }

    @Override
    public void onIdentified(ClientConnection connection, String workloadUid) {
      reports.identified(connection, workloadUid);
    }

    @Override
    public void onRoom(ClientConnection connection) {}

    @Override
    public void onRetired(ClientConnection connection) {}

    @Override
    public void onIdle(ClientConnection connection) {}

    @Override
    public void onOver(ClientConnection connection) {
      connections.remove(connection);
      limit.closed();
      reports.closed(connection);
    }
  }

  /** How one connection is made through the gateway. */
  private final class Way implements ClientConnection.Way {
    private final NestedPeer peer;
    private final ConnectRequest outer;
    private @Nullable TunnelRequest pending;
    private @Nullable TunnelStream tunnel;

    Way(NestedPeer peer, ConnectRequest outer) {
      this.peer = peer;
      this.outer = outer;
    }

    @Override
    public Future<Channel> connect(EventLoop on, PeerKey inner, ChannelHandler handler) {
      Promise<Channel> connected = on.newPromise();
      TunnelRequest asked =
          (TunnelRequest)
              pool.open(
                  peer.gateway(),
                  outer,
                  new Outer(inner.address(), handler, connected, opened -> tunnel = opened));
      pending = asked;
      connected.addListener(
          done -> {
            if (done.isCancelled()) {
              asked.cancel();
            }
          });
      return connected;
    }

    @Override
    public TunnelProgress progress() {
      return pending == null ? TunnelProgress.CERTIFICATE : pending.progress();
    }

    /** What the tunnel is on, or the CONNECT for it. */
    private @Nullable Http2Connection toGateway() {
      if (tunnel != null) {
        return tunnel.connection();
      }
      return pending == null ? null : pending.sentOn();
    }

    @Override
    public boolean isSilent() {
      @Nullable Http2Connection connection = toGateway();
      return connection != null && connection.isSilent(ClientConnection.SILENT_NANOS);
    }

    @Override
    public boolean hasAnsweredSince(long nanos) {
      @Nullable Http2Connection connection = toGateway();
      return connection != null && connection.hasAnsweredSince(nanos);
    }

    @Override
    public boolean isThrough(Http2Connection outer) {
      return outer.equals(toGateway());
    }

    @Override
    public void probe() {
      if (tunnel != null) {
        tunnel.connection().probeAfter(0);
      } else if (pending != null) {
        pending.probe();
      }
    }

    @Override
    public Future<ClientTls> tls(EventLoop on, PeerKey inner) {
      return connector.tls(on, inner);
    }
  }

  /** Makes a channel of the outer tunnel. */
  private record Outer(
      InetSocketAddress address,
      ChannelHandler handler,
      Promise<Channel> connected,
      Consumer<TunnelStream> opened)
      implements TunnelOpening {
    @Override
    public TunnelListener onOpened(Tunnel tunnel, TlsPeer gateway, @Nullable String baggage) {
      opened.accept((TunnelStream) tunnel);
      TunnelChannel channel = new TunnelChannel(tunnel, address);
      channel.pipeline().addLast(handler);
      tunnel
          .eventLoop()
          .register(channel)
          .addListener(
              registered -> {
                if (!registered.isSuccess()) {
                  tunnel.reset(TunnelReset.CANCEL);
                  connected.tryFailure(registered.cause());
                } else if (!connected.trySuccess(channel)) {
                  channel.close(); // given up in this very turn
                }
              });
      return channel;
    }

    @Override
    public void onFailed(HboneFailure failure) {
      connected.tryFailure(new NoOuterTunnelException(failure));
    }
  }
}
