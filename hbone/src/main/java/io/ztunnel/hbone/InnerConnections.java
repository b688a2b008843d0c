package io.ztunnel.hbone;

import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Connections within outer tunnels to one peer, shared by inner tunnels. Behind the authority of a
 * peer are many backends, of which its gateway gives each connection one; so there are several, and
 * tunnels are spread over them ({@link TunnelPlacement}). They are made in the background as long
 * as there are fewer than wanted, and each is replaced after a time by a new one, for which the
 * gateway chooses anew: tunnels stay spread as the gateway spreads connections. One that is old
 * takes no more tunnels though there be no other, nor one past its time when the gateway refuses to
 * make another: what the gateway says now counts for all that begins. A backend that goes takes its
 * connection with it, and no other; one that dies without a word is noticed by the CONNECTs that it
 * leaves unanswered, which go elsewhere, as one does that a backend cannot serve.
 *
 * <p>Confined to the pool's event loop.
 */
final class InnerConnections implements ClientConnection.Owner {
  /** How long no connection is made in the background after one could not be made. */
  static final long BACK_OFF_NANOS = 1_000_000_000;

  /** How much longer than its time a connection is used while no other could take its place. */
  private static final long GRACE_NANOS = 5_000_000_000L;

  /** How long requests wait for connections in the making when others are there. */
  private static final long HOLD_MILLIS = 50;

  /** How often, and after how long each time, room is looked for when there is none. */
  private static final int TRIES_FOR_ROOM = 4;

  private static final long ROOM_MILLIS = 60;

  private static final int OK = 200;

  /** The gateway has no room for more, which says nothing of those behind it. */
  private static final int TOO_MANY_REQUESTS = 429;

  /** How often backends that owe an answer are looked after. */
  private static final long WATCH_MILLIS = 200;

  /** Who provides the ways through the gateway, and hears of the end. */
  interface Home {
    /** How a connection is made by an outer tunnel that is asked for in this way. */
    ClientConnection.Way way(NestedPeer peer, ConnectRequest outer);

    /**
     * Takes room for a connection that somebody waits for, of one that carries nothing if there is
     * none left; {@link InnerLimit#closed} gives it back.
     */
    boolean admit();

    /** Takes room for one more connection only if there is some. */
    boolean admitSpare();

    /** There is no connection any more, nor one in the making, and nobody waits for one. */
    void onEmpty(InnerConnections empty);
  }

  /** A connection in use. */
  private static final class Member implements TunnelPlacement.Candidate {
    private final ClientConnection connection;
    private final long bornNanos;
    private long lastTurn;

    Member(ClientConnection connection, long bornNanos) {
      this.connection = connection;
      this.bornNanos = bornNanos;
    }

    ClientConnection connection() {
      return connection;
    }

    long bornNanos() {
      return bornNanos;
    }

    @Override
    public int tunnels() {
      return connection.streams();
    }

    @Override
    public @Nullable String backend() {
      return connection.workloadUid();
    }

    @Override
    public long lastTurn() {
      return lastTurn;
    }
  }

  /**
   * A connection in the making.
   *
   * @param replaces what it takes the place of
   */
  private record Dial(@Nullable ClientConnection replaces) {}

  private record Waiting(TunnelRequest request, ConnectRequest outer) {}

  /** How much of what waits is handed out. */
  private enum Share {
    ALL,
    /** What is left when each connection in the making has its part. */
    OWN
  }

  /** Which connections are good enough. */
  private enum Age {
    /** Those that may still be used. */
    IN_TIME,
    /** There is no room for others. */
    ANY
  }

  private final EventLoop loop;
  private final NestedPeer peer;
  private final PeerKey key;
  private final HboneSettings settings;
  private final HboneObserver observer;
  private final InnerReports reports;
  private final Home home;

  /** Those that take tunnels, the oldest first. */
  private final List<Member> usable = new ArrayList<>();

  private final Map<ClientConnection, Dial> dials = new HashMap<>();

  /** Those that take no more tunnels and have some. */
  private final List<Member> retired = new ArrayList<>();

  private final ArrayDeque<Waiting> waiting = new ArrayDeque<>();

  /** Those in the making that are not to be kept. */
  private final Set<ClientConnection> doomed = new HashSet<>();

  private @Nullable Future<?> holdTimer;
  private @Nullable Future<?> roomTimer;
  private @Nullable Future<?> watchTimer;
  private int triesForRoom;
  private long turns;
  private boolean closing;
  private boolean failedLately;
  private long failedAtNanos;

  InnerConnections(
      EventLoop loop, NestedPeer peer, HboneSettings settings, HboneObserver observer, Home home) {
    this.loop = loop;
    this.peer = peer;
    this.key = peer.key();
    this.settings = settings;
    this.observer = observer;
    this.reports = new InnerReports(observer, peer.gateway());
    this.home = home;
  }

  NestedPeer peer() {
    return peer;
  }

  /** Puts a request on a connection, or in line for one. */
  void assign(TunnelRequest request, ConnectRequest outer) {
    @Nullable TunnelPlacement<Member> chosen = choose(request, Age.IN_TIME);
    if (chosen == null) {
      waiting.add(new Waiting(request, outer));
      if (toCome() == 0) {
        dial(outer);
      } else if (inTime() + toCome() < wanted()) {
        dialSpare(outer, oldest());
      }
      return;
    }
    use(chosen, request);
    tend(outer);
  }

  /** Those in the making that are to be kept. */
  private int toCome() {
    return dials.size() - doomed.size();
  }

  /**
   * Where a request goes; who leaves a PING unanswered is for want of others, and so is, for one
   * that somebody could not serve, who has served nobody yet.
   */
  private @Nullable TunnelPlacement<Member> choose(TunnelRequest request, Age age) {
    long now = loop.ticker().nanoTime();
    List<Member> withRoom = new ArrayList<>(usable.size());
    for (Member each : usable) {
      if (each.connection().hasRoom() && (age == Age.ANY || !isOld(each, now))) {
        withRoom.add(each);
      }
    }
    List<Member> best = preferred(withRoom, each -> !each.connection().isPeerSilent());
    if (request.isUnserved()) {
      best = preferred(best, each -> each.connection().hasServed());
    }
    return TunnelPlacement.among(best, retired);
  }

  /** Those for which it holds; all if there are none. */
  private static List<Member> preferred(List<Member> all, Predicate<Member> holds) {
    List<Member> some = all.stream().filter(holds).toList();
    return some.isEmpty() ? all : some;
  }

  /** Whether another connection is to take the place of this one. */
  private boolean isPastItsTime(Member member, long nowNanos) {
    return nowNanos - member.bornNanos() > settings.nested().refresh().toNanos();
  }

  /** Whether it is not used any more, though there be no other. */
  private boolean isOld(Member member, long nowNanos) {
    return nowNanos - member.bornNanos() - GRACE_NANOS > settings.nested().refresh().toNanos();
  }

  private void use(TunnelPlacement<Member> chosen, TunnelRequest request) {
    chosen.turn().lastTurn = ++turns;
    chosen.carrier().connection().open(request);
    watch();
  }

  private void watch() {
    if (watchTimer == null) {
      watchTimer = loop.schedule(this::look, WATCH_MILLIS, TimeUnit.MILLISECONDS);
    }
  }

  /** Asks those that owe an answer for a sign of life, and leaves who has given none. */
  private void look() {
    watchTimer = null;
    List<ClientConnection> owing =
        Stream.concat(usable.stream(), retired.stream())
            .map(Member::connection)
            .filter(ClientConnection::owesAnswer)
            .toList();
    for (ClientConnection each : owing) {
      each.probePeer();
      if (each.isPeerDead()) {
        leaveBackend(each);
        // They may be no better, which is known before a CONNECT has to move again.
        List.copyOf(usable).forEach(member -> member.connection().probePeer());
        each.moveUnanswered();
      }
    }
    if (!owing.isEmpty()) {
      watch();
    }
  }

  /** Puts no more tunnels on a connection, nor on others to whom it has reached. */
  void leaveBackend(ClientConnection left) {
    left.stopUsing();
    @Nullable String backend = left.workloadUid();
    if (backend != null) {
      leave(other -> backend.equals(other.workloadUid()));
    }
  }

  /** Makes one more in the background: there are too few, or one has served its time. */
  private void tend(ConnectRequest outer) {
    long now = loop.ticker().nanoTime();
    boolean backsOff = failedLately && now - failedAtNanos < BACK_OFF_NANOS;
    if (closing || backsOff || !dials.isEmpty()) {
      return;
    }
    if (usable.size() < wanted()) {
      dialSpare(outer, null);
      return;
    }
    for (Member each : usable) {
      if (isPastItsTime(each, now)) {
        dialSpare(outer, each.connection());
        return;
      }
    }
  }

  private int wanted() {
    return settings.nested().connections();
  }

  /** Makes one that somebody waits for. */
  private void dial(ConnectRequest outer) {
    if (home.admit()) {
      triesForRoom = 0;
      begin(outer, new Dial(oldest()));
    } else {
      handOut(Share.ALL, Age.ANY);
      onNoRoom();
    }
  }

  /** How many may still be used. */
  private int inTime() {
    long now = loop.ticker().nanoTime();
    return (int) usable.stream().filter(member -> !isOld(member, now)).count();
  }

  /** Which one is not used any more, the oldest of them that is not replaced; null: none is. */
  private @Nullable ClientConnection oldest() {
    long now = loop.ticker().nanoTime();
    return usable.stream()
        .filter(member -> isOld(member, now))
        .map(Member::connection)
        .filter(old -> dials.values().stream().noneMatch(dial -> old.equals(dial.replaces())))
        .findFirst()
        .orElse(null);
  }

  /** Makes one more; where there is no room those that are there do, and none is closed for it. */
  private void dialSpare(ConnectRequest outer, @Nullable ClientConnection replaces) {
    if (home.admitSpare()) {
      begin(outer, new Dial(replaces));
    } else {
      backOff();
    }
  }

  private void begin(ConnectRequest outer, Dial dial) {
    ClientConnection connection = new ClientConnection(loop, key, settings, this, observer);
    dials.put(connection, dial);
    // Not from inside open: what the connector has ready may fail at once.
    loop.execute(() -> connection.dialThrough(home.way(peer, outer)));
  }

  /** The process may have no more connections: who waits does so a little longer, for others. */
  private void onNoRoom() {
    backOff();
    if (!waiting.isEmpty() && roomTimer == null) {
      roomTimer = loop.schedule(this::tryForRoom, ROOM_MILLIS, TimeUnit.MILLISECONDS);
    }
  }

  private void backOff() {
    failedLately = true;
    failedAtNanos = loop.ticker().nanoTime();
  }

  private void tryForRoom() {
    roomTimer = null;
    if (++triesForRoom <= TRIES_FOR_ROOM) {
      serve(Share.ALL);
    } else {
      triesForRoom = 0;
      failWaiting(settings.nested().limit().reached());
    }
    leaveIfEmpty();
  }

  private void failWaiting(HboneFailure failure) {
    List<Waiting> told = List.copyOf(waiting);
    waiting.clear(); // first: who is told may ask again from within
    told.forEach(each -> each.request().fail(failure));
  }

  /** Closes a connection that carries nothing; false if there is none. */
  boolean shedIdle() {
    for (Member member : usable) {
      if (member.connection().carriesNothing()) {
        member.connection().close("room for another one");
        return true;
      }
    }
    return false;
  }

  /** Hands out what waits, and makes a connection for what is left. */
  private void serve(Share share) {
    handOut(share, Age.IN_TIME);
    @Nullable Waiting first = waiting.peek();
    if (first == null) {
      triesForRoom = 0;
    } else if (toCome() == 0) {
      dial(first.outer());
    } else if (holdTimer == null) {
      holdTimer = loop.schedule(this::holdNoLonger, HOLD_MILLIS, TimeUnit.MILLISECONDS);
    }
  }

  private void handOut(Share share, Age age) {
    waiting.removeIf(each -> !each.request().isWaiting());
    int toCome = share == Share.ALL ? 0 : toCome();
    int left = (waiting.size() + toCome) / (toCome + 1);
    while (left > 0) {
      @Nullable Waiting next = waiting.peek();
      @Nullable TunnelPlacement<Member> chosen = next == null ? null : choose(next.request(), age);
      if (next == null || chosen == null) {
        break;
      }
      waiting.remove();
      use(chosen, next.request());
      left--;
    }
  }

  /** A connection in the making is late: what was kept for it goes to those that are there. */
  private void holdNoLonger() {
    holdTimer = null;
    @Nullable Waiting first = waiting.peek();
    if (first != null && choose(first.request(), Age.IN_TIME) != null) {
      serve(Share.ALL);
    }
  }

  /** Of the connections in the making the one that has come farthest; null: there is none. */
  @Nullable ClientConnection awaited() {
    return dials.keySet().stream()
        .max(Comparator.comparing(ClientConnection::progress))
        .orElse(null);
  }

  /** Puts no more tunnels on these connections; those that carry nothing end at once. */
  void leave(Predicate<ClientConnection> these) {
    dials.keySet().stream().filter(these).forEach(doomed::add);
    for (Member member : List.copyOf(usable)) {
      if (these.test(member.connection())) {
        member.connection().stopUsing();
      }
    }
  }

  /** Puts no more tunnels on the connections and tells their peers so. */
  void retire() {
    doomed.addAll(dials.keySet());
    List.copyOf(usable).forEach(member -> member.connection().retire());
  }

  /** Ends everything now. */
  void close() {
    closing = true;
    List.copyOf(dials.keySet()).forEach(connection -> connection.close("pool closed"));
    List.copyOf(usable).forEach(member -> member.connection().close("pool closed"));
    List.copyOf(retired).forEach(member -> member.connection().close("pool closed"));
    failWaiting(new HboneFailure.PoolClosed());
  }

  void closeRevoked() {
    List.copyOf(usable).forEach(member -> member.connection().closeIfRevoked());
    List.copyOf(retired).forEach(member -> member.connection().closeIfRevoked());
  }

  /** Nobody waits for a request any more; the connection in the making serves others. */
  void onCancelled(TunnelRequest request) {
    waiting.removeIf(each -> each.request().equals(request));
  }

  // ClientConnection.Owner

  @Override
  public void onUsable(ClientConnection connection) {
    @Nullable Dial dial = dials.remove(connection);
    boolean leaves = doomed.remove(connection);
    failedLately = false;
    usable.add(new Member(connection, loop.ticker().nanoTime()));
    reports.opened(connection);
    @Nullable ClientConnection before = dial == null ? null : dial.replaces();
    if (before != null) {
      before.stopUsing();
    }
    serve(Share.OWN);
    if (leaves) {
      connection.retire();
    }
  }

  @Override
  public void onDialFailed(ClientConnection connection, HboneFailure failure) {
    dials.remove(connection);
    settings.nested().limit().closed();
    backOff();
    doomed.remove(connection);
    int status = statusOfGateway(failure);
    if (status != OK && status != TOO_MANY_REQUESTS) {
      leavePastTheirTime();
    }
    if (closing) {
      failWaiting(failure);
    } else if (dials.isEmpty()) {
      handOut(Share.ALL, status == TOO_MANY_REQUESTS ? Age.ANY : Age.IN_TIME);
      failWaiting(failure); // not dialled again and again for those that are too many
    }
    leaveIfEmpty();
  }

  /** By what the gateway has refused the tunnel; 200 if it has not. */
  private static int statusOfGateway(HboneFailure failure) {
    return failure instanceof HboneFailure.OuterFailed(HboneFailure.Rejected(int status, String _))
        ? status
        : OK;
  }

  /** The gateway makes no other connection: those that were to be replaced are not used either. */
  private void leavePastTheirTime() {
    long now = loop.ticker().nanoTime();
    for (Member member : List.copyOf(usable)) {
      if (isPastItsTime(member, now)) {
        member.connection().stopUsing();
      }
    }
  }

  @Override
  public void onIdentified(ClientConnection connection, String workloadUid) {
    reports.identified(connection, workloadUid);
  }

  @Override
  public void onRoom(ClientConnection connection) {
    if (!waiting.isEmpty()) {
      serve(Share.OWN);
    }
  }

  @Override
  public void onRetired(ClientConnection connection) {
    List<Member> leaving =
        usable.stream().filter(member -> member.connection().equals(connection)).toList();
    usable.removeAll(leaving);
    retired.addAll(leaving);
  }

  @Override
  public void onIdle(ClientConnection connection) {
    connection.stopUsing("unused for " + settings.idleRelease().toMillis() + " ms");
  }

  @Override
  public void onOver(ClientConnection connection) {
    retired.removeIf(member -> member.connection().equals(connection));
    settings.nested().limit().closed();
    reports.closed(connection);
    if (!closing && !waiting.isEmpty()) {
      serve(Share.OWN);
    }
    leaveIfEmpty();
  }

  private void leaveIfEmpty() {
    if (usable.isEmpty() && dials.isEmpty() && retired.isEmpty() && waiting.isEmpty()) {
      holdTimer = stopped(holdTimer);
      roomTimer = stopped(roomTimer);
      watchTimer = stopped(watchTimer);
      home.onEmpty(this);
    }
  }

  private static @Nullable Future<?> stopped(@Nullable Future<?> timer) {
    if (timer != null) {
      timer.cancel(false);
    }
    return null;
  }
}
