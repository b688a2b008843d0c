package io.ztunnel.hbone;

import io.netty.channel.EventLoop;
import java.net.InetAddress;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Connections to peers, shared by tunnels of equal {@link PeerKey}.
 *
 * <p>At most one dial for a key is under way; all who wait share its outcome. A connection takes
 * tunnels up to the smaller of our limit and the peer's, and again when some have ended. It leaves
 * the pool when it was unused for long, when the peer refuses or goes away, when its key is
 * retired, or when too many others were used after it; it closes with its last tunnel.
 *
 * <p>Confined to its event loop.
 */
public final class HbonePool {
  /** Connections kept for use; the least recently used one leaves when there are more (Istio). */
  static final int CAPACITY = 500;

  /** What there is for one key. */
  private static final class Bucket {
    private final List<ClientConnection> usable = new ArrayList<>(1);
    private @Nullable Dial dial;

    boolean isEmpty() {
      return usable.isEmpty() && dial == null;
    }

    @Nullable ClientConnection withRoom() {
      for (ClientConnection connection : usable) {
        if (connection.hasRoom()) {
          return connection;
        }
      }
      return null;
    }
  }

  /** A connection being made, and who waits for it. */
  private static final class Dial {
    private final ArrayDeque<TunnelRequest> waiting = new ArrayDeque<>();
    private @Nullable ClientConnection connection;
    private boolean retired;
  }

  private final EventLoop loop;
  private final HboneSettings settings;
  private final Connector connector;
  private final HboneObserver observer;

  private final Map<PeerKey, Bucket> buckets = new HashMap<>();
  private final Map<ClientConnection, Dial> dials = new HashMap<>();

  /** Usable connections, the least recently used first. */
  private final LinkedHashSet<ClientConnection> recentlyUsed = new LinkedHashSet<>();

  /** Every connection that is not over, usable or not. */
  private final Set<ClientConnection> connections = new HashSet<>();

  private final Set<Probe> probes = new HashSet<>();

  /** What names of workloads stood for last, the one first that was asked for longest ago. */
  private final LinkedHashMap<String, Set<InetAddress>> resolved = new LinkedHashMap<>();

  private final Members members = new Members();
  private final NestedTunnels nested;
  private boolean closed;

  public HbonePool(
      EventLoop loop, HboneSettings settings, Connector connector, HboneObserver observer) {
    this.loop = loop;
    this.settings = settings;
    this.connector = connector;
    this.observer = observer;
    this.nested = new NestedTunnels(loop, this, settings, connector, observer);
  }

  /**
   * Asks for a tunnel. The opening is called later, never from inside this call.
   *
   * @return to give it up
   */
  public PendingTunnel open(PeerKey key, ConnectRequest connect, TunnelOpening opening) {
    assertConfined();
    TunnelRequest request = new TunnelRequest(members, key, connect, opening);
    if (closed) {
      loop.execute(() -> request.fail(new HboneFailure.PoolClosed()));
    } else {
      assign(request);
    }
    return request;
  }

  /**
   * Asks for a tunnel within a tunnel: the outer one to a gateway, shared as any, and in it a
   * connection to a peer of its choice with the inner one. The opening is told of the inner tunnel
   * and its peer; a failure of the outer one comes as {@link HboneFailure.OuterFailed}. It is
   * called later, never from inside this call.
   *
   * @return to give it up
   */
  public PendingTunnel openNested(
      NestedPeer peer, ConnectRequest outer, ConnectRequest inner, TunnelOpening opening) {
    assertConfined();
    return nested.open(peer, outer, inner, opening);
  }

  /**
   * Puts no more tunnels on the connections of these keys and tells their peers so at once; each
   * closes with its last tunnel. Who waits for a dial still gets a tunnel from it.
   */
  public void retire(Predicate<PeerKey> keys) {
    assertConfined();
    nested.retire(keys);
    for (Map.Entry<PeerKey, Bucket> entry : List.copyOf(buckets.entrySet())) {
      if (!keys.test(entry.getKey())) {
        continue;
      }
      Bucket bucket = entry.getValue();
      List.copyOf(bucket.usable).forEach(ClientConnection::retire);
      if (bucket.dial != null) {
        bucket.dial.retired = true;
        bucket.dial = null;
      }
      buckets.remove(entry.getKey(), bucket);
    }
  }

  /**
   * Puts no more tunnels on connections to this peer, nor on those within tunnels to it, that have
   * left a PING unanswered for a while: the next request dials anew.
   */
  public void leaveSilent(PeerKey key) {
    assertConfined();
    nested.leaveSilent(key);
    @Nullable Bucket bucket = buckets.get(key);
    if (bucket != null) {
      for (ClientConnection connection : List.copyOf(bucket.usable)) {
        if (connection.isSilent()) {
          connection.stopUsing();
        }
      }
    }
  }

  /**
   * The name of this workload stands for these addresses now: connections to others of it take no
   * more tunnels, and their peers are told so.
   */
  public void onResolved(String workloadUid, Collection<InetAddress> addresses) {
    assertConfined();
    Set<InetAddress> now = Set.copyOf(addresses);
    @Nullable Set<InetAddress> before = resolved.putLast(workloadUid, now);
    if (before != null && !now.containsAll(before)) {
      retire(
          key ->
              key.workloadUid().equals(workloadUid) && !now.contains(key.address().getAddress()));
    }
    if (resolved.size() > CAPACITY) {
      resolved.pollFirstEntry();
    }
  }

  /**
   * Finds out whether a peer can be used: by a connection of its own, with all checks, on which a
   * PING is answered. It is closed afterwards. Bounded in time by the limits of dial and handshake.
   *
   * @param outcome told once, later: null when all went well
   */
  public void probe(PeerKey key, Consumer<@Nullable HboneFailure> outcome) {
    assertConfined();
    if (closed) {
      loop.execute(() -> outcome.accept(new HboneFailure.PoolClosed()));
      return;
    }
    Probe probe = new Probe(loop, key, settings, probes::remove, outcome);
    probes.add(probe);
    loop.execute(() -> probe.begin(connector));
  }

  /** Ends everything now. Who waits fails; tunnels lose their connection. */
  public void close() {
    assertConfined();
    if (closed) {
      return;
    }
    closed = true;
    nested.close();
    List.copyOf(probes).forEach(Probe::close);
    List.copyOf(dials.keySet()).forEach(dialing -> dialing.close("pool closed"));
    List.copyOf(connections).forEach(connection -> connection.close("pool closed"));
  }

  /**
   * Ends the connections whose peers' certificates are revoked by now; their tunnels are told so.
   * To be called on every loop after {@link Revocations} has learnt of more; connections in the
   * making are looked at when they stand.
   */
  public void closeRevoked() {
    assertConfined();
    List.copyOf(connections).forEach(ClientConnection::closeIfRevoked);
    nested.closeRevoked();
  }

  /** Connections that are not over, those that take no more tunnels included. */
  public int connections() {
    assertConfined();
    return connections.size();
  }

  /** Streams in use on all connections, those that wait for their answer included. */
  public int tunnels() {
    assertConfined();
    return connections.stream().mapToInt(ClientConnection::streams).sum();
  }

  void assertConfined() {
    assert loop.inEventLoop();
  }

  /** Puts a request on a connection, or in line for one. */
  void assign(TunnelRequest request) {
    if (closed) {
      request.fail(new HboneFailure.PoolClosed());
      return;
    }
    Bucket bucket = buckets.computeIfAbsent(request.key(), _ -> new Bucket());
    ClientConnection free = bucket.withRoom();
    if (free != null) {
      use(free, request);
      return;
    }
    Dial dial = bucket.dial;
    if (dial == null) {
      dial = new Dial();
      dial.waiting.add(request);
      bucket.dial = dial;
      start(request.key(), dial);
    } else {
      dial.waiting.add(request);
    }
  }

  private void start(PeerKey key, Dial dial) {
    ClientConnection connection = new ClientConnection(loop, key, settings, members, observer);
    dials.put(connection, dial);
    dial.connection = connection;
    // Not from inside open: what the connector has ready may fail at once.
    loop.execute(() -> connection.dial(connector));
  }

  private void serve(Dial dial, ClientConnection connection) {
    while (connection.hasRoom()) {
      TunnelRequest next = dial.waiting.poll();
      if (next == null) {
        return;
      }
      if (next.isWaiting()) {
        use(connection, next);
      }
    }
  }

  private void use(ClientConnection connection, TunnelRequest request) {
    if (recentlyUsed.remove(connection)) {
      recentlyUsed.add(connection);
    }
    connection.open(request);
  }

  private void evictBeyondCapacity() {
    while (recentlyUsed.size() > CAPACITY) {
      recentlyUsed.getFirst().stopUsing();
    }
  }

  private void removeIfEmpty(PeerKey key, Bucket bucket) {
    if (bucket.isEmpty()) {
      buckets.remove(key, bucket);
    }
  }

  /** What connections tell the pool, and requests ask of it. */
  private final class Members implements ClientConnection.Owner, TunnelRequest.Line {
    @Override
    public HboneSettings settings() {
      return settings;
    }

    @Override
    public void assertConfined() {
      HbonePool.this.assertConfined();
    }

    @Override
    public void assign(TunnelRequest request) {
      HbonePool.this.assign(request);
    }

    @Override
    public void onCancelled(TunnelRequest request) {
      // Whoever serves the line passes it over.
    }

    @Override
    public @Nullable ClientConnection awaited(TunnelRequest request) {
      @Nullable Bucket bucket = buckets.get(request.key());
      return bucket == null || bucket.dial == null ? null : bucket.dial.connection;
    }

    @Override
    public void onRoundTrip(ClientConnection connection, long nanos) {
      observer.onRoundTrip(connection.key(), nanos);
    }

    @Override
    public void onUsable(ClientConnection connection) {
      Dial dial = dials.remove(connection);
      if (dial == null) {
        throw new IllegalStateException("not dialled here: " + connection);
      }
      connections.add(connection);
      recentlyUsed.add(connection);
      Bucket bucket = buckets.get(connection.key());
      boolean belongs = bucket != null && bucket.dial == dial;
      if (bucket != null && belongs) {
        bucket.dial = null;
        bucket.usable.add(connection);
      }
      serve(dial, connection);
      if (dial.retired) {
        connection.retire();
      }
      // Those for whom there was no room wait for the next dial.
      for (TunnelRequest left = dial.waiting.poll(); left != null; left = dial.waiting.poll()) {
        if (left.isWaiting()) {
          assign(left);
        }
      }
      evictBeyondCapacity();
    }

    @Override
    public void onDialFailed(ClientConnection connection, HboneFailure failure) {
      Dial dial = dials.remove(connection);
      if (dial == null) {
        throw new IllegalStateException("not dialled here: " + connection);
      }
      Bucket bucket = buckets.get(connection.key());
      if (bucket != null && bucket.dial == dial) {
        bucket.dial = null;
        removeIfEmpty(connection.key(), bucket);
      }
      dial.waiting.forEach(request -> request.fail(failure));
    }

    @Override
    public void onRoom(ClientConnection connection) {
      Bucket bucket = buckets.get(connection.key());
      if (bucket != null && bucket.dial != null && bucket.usable.contains(connection)) {
        serve(bucket.dial, connection);
      }
    }

    @Override
    public void onRetired(ClientConnection connection) {
      recentlyUsed.remove(connection);
      Bucket bucket = buckets.get(connection.key());
      if (bucket != null) {
        bucket.usable.remove(connection);
        removeIfEmpty(connection.key(), bucket);
      }
    }

    @Override
    public void onIdle(ClientConnection connection) {
      connection.stopUsing("unused for " + settings.idleRelease().toMillis() + " ms");
    }

    @Override
    public void onGoAway(ClientConnection connection) {
      // Not at once: it ends tunnels, in the middle of what the connection has read.
      loop.execute(() -> nested.leave(connection));
    }

    @Override
    public void onOver(ClientConnection connection) {
      connections.remove(connection);
    }
  }
}
