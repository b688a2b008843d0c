package io.ztunnel.hbone;

import io.netty.buffer.PooledByteBufAllocator;
import io.netty.channel.EventLoop;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.Http2CodecUtil;
import io.netty.handler.codec.http2.Http2Error;
import io.netty.handler.codec.http2.Http2Headers;
import io.netty.util.concurrent.Future;
import java.security.cert.X509Certificate;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The client's side of one connection, from the dial ({@link ClientDial}) to its end.
 *
 * <pre>
 *   DIALING --TLS done--> USABLE --stopUsing, GOAWAY, retire--> RETIRED --last stream gone--> OVER
 * </pre>
 *
 * <p>Confined to the pool's event loop.
 */
final class ClientConnection implements Http2Role, ClientDial.Owner {
  /** How a connection comes to its peer when that is through a tunnel to a gateway. */
  interface Way extends Connector {
    /** How far the tunnel has come; behind it, if it stands. */
    TunnelProgress progress();

    /** Whether there is a connection to the gateway that has left a PING unanswered. */
    boolean isSilent();

    /** Asks the gateway for a sign of life. */
    void probe();

    /** Whether the gateway has answered a PING that was sent at this time or later. */
    boolean hasAnsweredSince(long nanos);

    /** Whether the tunnel to the gateway, or the CONNECT for it, is on this connection. */
    boolean isThrough(Http2Connection outer);
  }

  /** The pool, as a connection sees it. Told on the loop. */
  interface Owner {
    /** The connection can carry tunnels. */
    void onUsable(ClientConnection connection);

    /** There is no connection. Called instead of {@link #onUsable}. */
    void onDialFailed(ClientConnection connection, HboneFailure failure);

    /** The peer has said which workload it is. Called at most once, after {@link #onUsable}. */
    default void onIdentified(ClientConnection connection, String workloadUid) {}

    /** The connection may have room for another tunnel. */
    void onRoom(ClientConnection connection);

    /** No more tunnels may be put on the connection. Called at most once. */
    void onRetired(ClientConnection connection);

    /** The peer has said GOAWAY: what is on the connection had better end soon. */
    default void onGoAway(ClientConnection connection) {}

    /** The connection has carried nothing for as long as it may be kept. */
    void onIdle(ClientConnection connection);

    /** The connection is over. Called once, after {@link #onUsable} only. */
    void onOver(ClientConnection connection);

    /** The peer has answered a PING of the keep-alive after so long. */
    default void onRoundTrip(ClientConnection connection, long nanos) {}

    /** The peer has answered a PING that was asked for by {@link #ping}. */
    default void onPong(ClientConnection connection) {}
  }

  private static final int MAX_HEADER_LIST_BYTES = 16_384;

  private static final String RETIRED = "retired";

  /** How long a connection may be silent and still be trusted without a PING. */
  private static final long TRUSTED_NANOS = TimeUnit.SECONDS.toNanos(1);

  /**
   * How long a peer may give no window before no more tunnels are opened to it on the connection:
   * those whose readers rest have taken all of it, and would keep the others from carrying a byte.
   */
  private static final long SHUT_NANOS = TimeUnit.SECONDS.toNanos(1);

  /** How long a PING may be unanswered, and nothing else come, before it is said so. */
  static final long SILENT_NANOS = TimeUnit.MILLISECONDS.toNanos(400);

  /** What is in a PING that is not the keep-alive's, which counts from 1. */
  private static final long OWN_PING = -1;

  private enum Stage {
    DIALING,
    USABLE,
    RETIRED,
    OVER
  }

  private final EventLoop loop;
  private final PeerKey key;
  private final HboneSettings settings;
  private final Owner owner;
  private final Http2Connection connection;

  /** CONNECTs without an answer. */
  private final Set<TunnelRequest> unanswered = new LinkedHashSet<>();

  private Stage stage = Stage.DIALING;
  private @Nullable Way way;
  private @Nullable ClientDial dial;
  private @Nullable TlsPeer peer;
  private @Nullable String workloadUid;
  private @Nullable PeerTrust trust;

  /** The roots by which the peer was accepted. */
  private List<X509Certificate> acceptedBy = List.of();

  private @Nullable OuterTunnelEndedException outerEnd;
  private @Nullable Future<?> idleTimer;
  private long idleSinceNanos;
  private int nextStreamId = 1;
  private boolean peerSettingsSeen;

  /** The first one that was opened, or will be, after the peer had said how many it allows. */
  private int firstInformedStreamId = Integer.MAX_VALUE;

  private boolean served;
  private boolean goAwaySent;

  ClientConnection(
      EventLoop loop, PeerKey key, HboneSettings settings, Owner owner, HboneObserver observer) {
    this.loop = loop;
    this.key = key;
    this.settings = settings;
    this.owner = owner;
    this.connection = new Http2Connection(settings, observer, this);
  }

  EventLoop loop() {
    return loop;
  }

  PeerKey key() {
    return key;
  }

  TlsPeer peer() {
    TlsPeer known = peer;
    if (known == null) {
      throw new IllegalStateException("not secured yet: " + this);
    }
    return known;
  }

  /** The protocol's part, which goes into the pipeline once the transport is secured. */
  Http2Connection http2() {
    return connection;
  }

  /** Streams in use. */
  int streams() {
    return connection.streams().count();
  }

  /** Whether no tunnel is left, not even one of which only the last bytes are on their way out. */
  boolean carriesNothing() {
    return connection.streams().isEmpty();
  }

  boolean hasRoom() {
    return stage == Stage.USABLE
        && connection.isRunning() // else it ends in this turn: who is told asks again from within
        && !connection.isShutFor(SHUT_NANOS)
        && streams()
            < Math.min(
                settings.maxStreamsPerConnection(),
                connection.peerMaxStreams(settings.maxStreamsPerConnection()));
  }

  /** Connects through a gateway. */
  void dialThrough(Way gateway) {
    way = gateway;
    dial(gateway);
  }

  /** How far it has come, or the CONNECTs on it. */
  TunnelProgress progress() {
    return switch (dial == null ? ClientDial.Stage.CERTIFICATE : dial.stage()) {
      case CERTIFICATE -> TunnelProgress.CERTIFICATE;
      case CONNECTING -> way == null ? TunnelProgress.DIALLING : way.progress();
      case SECURING -> way == null ? TunnelProgress.SECURING : TunnelProgress.INNER_HANDSHAKE;
      case SECURED, FAILED -> {
        if (isSilent()) {
          yield TunnelProgress.SILENT;
        }
        yield way == null ? TunnelProgress.UNANSWERED : TunnelProgress.INNER_UNANSWERED;
      }
    };
  }

  /** Asks who is reached first, the peer or the gateway, for a sign of life. */
  void probe() {
    if (way != null) {
      way.probe();
    } else if (stage == Stage.USABLE || stage == Stage.RETIRED) {
      connection.probeAfter(0);
    }
  }

  /** Whether who is reached first, the peer or the gateway, has left a PING unanswered. */
  boolean isSilent() {
    return way != null ? way.isSilent() : connection.isSilent(SILENT_NANOS);
  }

  /** Whether the peer, be it behind a gateway, has left a PING unanswered. */
  boolean isPeerSilent() {
    return connection.isSilent(SILENT_NANOS);
  }

  /**
   * Whether the peer behind a gateway has left a PING unanswered, and not because of the way to the
   * gateway: that has answered one that was sent after it.
   */
  boolean isPeerDead() {
    return isPeerSilent() && way != null && way.hasAnsweredSince(connection.askedNanos());
  }

  /** Asks the peer behind a gateway for a sign of life, unless it has just given one. */
  void probePeer() {
    connection.probeAfter(SILENT_NANOS);
    if (way != null && connection.isSilent(0) && !way.hasAnsweredSince(connection.askedNanos())) {
      way.probe();
    }
  }

  /** Whether a CONNECT waits for its answer. */
  boolean owesAnswer() {
    return !unanswered.isEmpty();
  }

  /** Has other connections take the CONNECTs that are not answered. */
  void moveUnanswered() {
    List.copyOf(unanswered).forEach(TunnelRequest::move);
  }

  /** Who is at the other end, as that says in its answers; null as long as it has not said so. */
  @Nullable String workloadUid() {
    return workloadUid;
  }

  /** Whether a CONNECT was answered by 200. */
  boolean hasServed() {
    return served;
  }

  /** A CONNECT was answered by 200. */
  void onAnswer(Http2Headers headers) {
    served = true;
    if (workloadUid == null) {
      workloadUid = ConnectFields.get(headers, ConnectFields.WORKLOAD_UID);
      if (workloadUid != null) {
        owner.onIdentified(this, workloadUid);
      }
    }
  }

  /** The CONNECT has its answer, or is given up. */
  void onNoLongerAwaited(TunnelRequest request) {
    unanswered.remove(request);
  }

  /** Whether it runs, or will run, in a tunnel of this connection. */
  boolean isThrough(ClientConnection outer) {
    return way != null && way.isThrough(outer.connection);
  }

  /** Sends a PING by itself; its answer is told to the owner. */
  void ping() {
    connection.writer().ping(OWN_PING, false);
  }

  /** Connects with what the pool's owner provides. */
  void dial(Connector connector) {
    if (stage == Stage.DIALING) { // else the pool was closed
      dial =
          new ClientDial(
              loop,
              key,
              settings,
              way == null ? PooledByteBufAllocator.DEFAULT : HeadRoomBuffers.INSTANCE,
              http2(),
              this);
      dial.begin(connector);
    }
  }

  /** Sends a CONNECT. */
  void open(TunnelRequest request) {
    int id = nextStreamId;
    nextStreamId += 2;
    connection.probeAfter(TRUSTED_NANOS);
    TunnelStream stream = connection.newStream(id, request);
    connection.writer().headers(id, headers(request.request()), false);
    request.onSent(this, stream);
    unanswered.add(request);
    if (nextStreamId < 0) {
      stopUsing(); // ids are used up (RFC 9113, 5.1.1)
    }
  }

  /** Takes no more tunnels; ends with the last one. */
  void stopUsing() {
    stopUsing(RETIRED);
  }

  /** As above; what is told as the reason of the end if it carries nothing by now. */
  void stopUsing(String reason) {
    if (stage == Stage.USABLE) {
      stage = Stage.RETIRED;
      owner.onRetired(this);
      leaveIfUnused(reason);
    }
  }

  /** Takes no more tunnels, and tells the peer so at once. */
  void retire() {
    if (stage == Stage.USABLE || stage == Stage.RETIRED) {
      sayGoAway();
      stopUsing();
    }
  }

  private void sayGoAway() {
    if (!goAwaySent) {
      goAwaySent = true;
      connection.goAway(Http2Error.NO_ERROR.code(), "");
    }
  }

  /** Ends the connection, its tunnels, and a dial under way. */
  void close(String reason) {
    switch (stage) {
      case DIALING -> {
        if (dial != null) {
          dial.cancel();
        }
        onDialFailed(new HboneFailure.PoolClosed());
      }
      case USABLE, RETIRED -> connection.close(reason);
      case OVER -> {}
    }
  }

  /** Ends the connection if its peer's certificate is revoked by now. */
  void closeIfRevoked() {
    @Nullable X509Certificate revoked = revoked();
    if (revoked != null && (stage == Stage.USABLE || stage == Stage.RETIRED)) {
      connection.observer().onPeerRevoked(side());
      connection.closeRevoked(RevokedPeerException.describe(revoked));
    }
  }

  private @Nullable X509Certificate revoked() {
    return peer == null || trust == null ? null : trust.revoked(peer.chain(), acceptedBy);
  }

  /** Whether it was lost with the connection to its gateway, not by itself. */
  boolean isCutOffAtGateway() {
    return outerEnd != null && !outerEnd.isOfTunnelAlone();
  }

  /** What a CONNECT without an answer is told when the connection is lost. */
  HboneFailure failureOfLoss(String reason) {
    if (outerEnd != null) {
      return outerEnd.asFailure(key.address());
    }
    // With TLS 1.3 the server judges our certificate after our side of the handshake is done.
    return !peerSettingsSeen && reason.startsWith(TlsErrors.ALERT_PREFIX)
        ? new HboneFailure.TlsFailed(key.address(), reason)
        : new HboneFailure.Http2Failed(reason);
  }

  /** The same when a certificate is revoked: the peer's, or its gateway's. */
  HboneFailure failureOfRevocation(String certificate) {
    return outerEnd == null
        ? new HboneFailure.PeerRevoked(key.address(), certificate)
        : outerEnd.asFailure(key.address());
  }

  /**
   * Whether a stream was opened before the peer had said how many it allows at once, and was one
   * too many. Never of a peer that allows none: each connection has some that are not.
   */
  boolean wasTooMany(TunnelStream stream) {
    long limit = connection.peerMaxStreams(Long.MAX_VALUE);
    int place = (stream.id() + 1) / 2;
    return limit > 0 && place > limit && stream.id() < firstInformedStreamId;
  }

  void countInterimAnswer() throws ConnectionError {
    connection.countNotice();
  }

  // ClientDial.Owner

  @Override
  public void onSecured(TlsPeer secured, PeerTrust believed, long handshakeNanosLeft) {
    peer = secured;
    trust = believed;
    acceptedBy = believed.rootsOf(secured.chain());
    stage = Stage.USABLE;
    connection.start(handshakeNanosLeft);
  }

  @Override
  public void onDialFailed(HboneFailure failure) {
    stage = Stage.OVER;
    if (failure instanceof HboneFailure.PeerRevoked) {
      connection.observer().onPeerRevoked(side());
    }
    owner.onDialFailed(this, failure);
  }

  // Http2Role

  @Override
  public HboneObserver.Role side() {
    return HboneObserver.Role.CLIENT;
  }

  @Override
  public void sendPreface(FrameWriter writer, HboneSettings settings) {
    byte[] preface = new byte[Http2CodecUtil.connectionPrefaceBuf().readableBytes()];
    Http2CodecUtil.connectionPrefaceBuf().getBytes(0, preface);
    writer.bytes(preface);
    writer.settings(
        SettingIds.ENABLE_PUSH,
        0,
        SettingIds.INITIAL_WINDOW_SIZE,
        settings.streamWindowBytes(),
        SettingIds.MAX_FRAME_SIZE,
        settings.frameSizeBytes(),
        SettingIds.MAX_HEADER_LIST_SIZE,
        MAX_HEADER_LIST_BYTES);
  }

  @Override
  public void onStarted(Http2Connection started) {
    owner.onUsable(this);
    startIdleClock();
  }

  @Override
  public byte[] expectedPreface() {
    return new byte[0];
  }

  @Override
  public int maxHeaderListBytes() {
    return MAX_HEADER_LIST_BYTES;
  }

  @Override
  public boolean isPeerStream(int streamId) {
    return false; // push is disabled
  }

  @Override
  public int lastOwnStreamId() {
    return nextStreamId - 2;
  }

  @Override
  public void onRequest(int streamId, Http2Headers headers, boolean endStream) {
    throw new IllegalStateException("a server opens no streams");
  }

  @Override
  public void onPeerSettings() {
    if (!peerSettingsSeen) {
      peerSettingsSeen = true;
      firstInformedStreamId = nextStreamId;
    }
    if (connection.peerMaxStreams(1) == 0) {
      stopUsing(); // it would stay beside those that are dialled because it has no room
    } else {
      owner.onRoom(this);
    }
  }

  @Override
  public void onGoAway(int lastStreamId, long errorCode, String debug) {
    stopUsing();
    owner.onGoAway(this);
    if (stage == Stage.OVER) {
      return;
    }
    TunnelTermination cause = new TunnelTermination.GoAway(errorCode, debug);
    for (TunnelStream stream : connection.streams().activeNow()) {
      if (stream.id() > lastStreamId && !stream.isOver()) {
        connection.onStreamReset(stream, cause);
      }
    }
  }

  @Override
  public void onOutputLost() {
    stopUsing();
  }

  @Override
  public void onPong(long payload) {
    if (payload == OWN_PING) {
      owner.onPong(this);
    }
  }

  @Override
  public void onRoundTrip(long nanos) {
    owner.onRoundTrip(this, nanos);
  }

  @Override
  public void onStreamGone() {
    if (carriesNothing()) {
      startIdleClock();
    }
    if (stage == Stage.RETIRED) {
      // Not at once: a stream may go in the middle of a flush, which comes before the last PING.
      loop.execute(() -> leaveIfUnused(RETIRED));
    } else if (stage == Stage.USABLE) {
      owner.onRoom(this);
    }
  }

  @Override
  public void onKeepAliveTimeout(Http2Connection dead) {
    connection.observer().onPingTimeout(side(), key.address());
    dead.lost("keep-alive timed out: no PONG within " + settings.pingTimeout().toMillis() + " ms");
  }

  @Override
  public void onHandshakeTimeout() {}

  @Override
  public void onOuterEnded(OuterTunnelEndedException end) {
    outerEnd = end;
  }

  @Override
  public void onEnded(String reason) {
    Stage before = stage;
    stage = Stage.OVER;
    if (idleTimer != null) {
      idleTimer.cancel(false);
    }
    if (before == Stage.USABLE) {
      owner.onRetired(this);
    }
    owner.onOver(this);
  }

  @Override
  public String toString() {
    return "connection to " + key.address() + " for " + key.workloadUid();
  }

  private void leaveIfUnused(String reason) {
    if (stage == Stage.RETIRED && carriesNothing()) {
      sayGoAway();
      connection.leave(reason);
    }
  }

  private void startIdleClock() {
    if (stage != Stage.USABLE) {
      return;
    }
    idleSinceNanos = loop.ticker().nanoTime();
    if (idleTimer == null) {
      scheduleIdle(settings.idleRelease().toNanos());
    }
  }

  private void scheduleIdle(long nanos) {
    idleTimer = loop.schedule(this::onIdleTimer, nanos, TimeUnit.NANOSECONDS);
  }

  /** One timer for many short uses: when it fires early, it is set again for the rest. */
  private void onIdleTimer() {
    idleTimer = null;
    if (stage != Stage.USABLE || !carriesNothing()) {
      return; // set again when the last stream is gone
    }
    long left = settings.idleRelease().toNanos() - (loop.ticker().nanoTime() - idleSinceNanos);
    if (left > 0) {
      scheduleIdle(left);
    } else {
      owner.onIdle(this);
    }
  }

  private static Http2Headers headers(ConnectRequest request) {
    Http2Headers headers =
        new DefaultHttp2Headers(false, 8).method("CONNECT").authority(request.authority());
    ConnectFields.set(headers, ConnectFields.BAGGAGE, request.baggage());
    ConnectFields.set(headers, ConnectFields.FORWARDED, request.forwarded());
    ConnectFields.set(headers, ConnectFields.TRACEPARENT, request.traceparent());
    ConnectFields.set(headers, ConnectFields.FORWARDED_NETWORK, request.forwardedNetwork());
    ConnectFields.set(headers, ConnectFields.ISTIO_SOURCE, request.istioSource());
    return headers;
  }
}
