package io.ztunnel.hbone;

import io.netty.buffer.PooledByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.channel.ChannelOption;
import io.netty.handler.codec.http2.Http2CodecUtil;
import io.netty.handler.codec.http2.Http2Error;
import io.netty.handler.codec.http2.Http2Headers;
import io.netty.util.concurrent.Future;
import java.net.InetSocketAddress;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The server's side of one connection: who may open streams, and how it ends.
 *
 * <pre>
 *   SERVING --drain--> GOAWAY with the highest id, and PING; what is on its way is served
 *           --PONG, time up---> GOAWAY with the real id; a client that opens more is refused
 *           --last stream gone--> closed
 * </pre>
 *
 * <p>Confined to its channel's event loop.
 */
final class ServerConnection implements Http2Role, HboneServerConnection, TlsHandshake.Outcome {
  /** Requests at once; one more is refused (Istio). */
  static final int MAX_CONCURRENT_STREAMS = 200;

  static final int MAX_HEADER_LIST_BYTES = 65_536;

  private static final int HIGHEST_STREAM_ID = 0x7fffffff;
  private static final long DRAIN_PING = 0x6472_6169_6e00_0000L;
  private static final String DRAINED = "drained";
  private static final byte[] PREFACE = preface();

  private enum Stage {
    HANDSHAKE,
    SERVING,
    /** GOAWAY was sent with the highest id: requests that were on their way are still coming. */
    DRAINING,
    /** GOAWAY was sent with the real id. */
    DRAINED,
    OVER
  }

  private final Channel channel;
  private final HboneSettings settings;
  private final ConnectHandler handler;
  private final Http2Connection connection;
  private final long deadlineNanos;
  private final InetSocketAddress remote;

  private Stage stage = Stage.HANDSHAKE;
  private boolean drainRequested;
  private boolean peerSettingsSeen;
  private @Nullable TlsPeer peer;
  private @Nullable PeerTrust trust;

  /** The roots by which the peer was accepted. */
  private List<X509Certificate> acceptedBy = List.of();

  private @Nullable Future<?> handshakeTimer;

  /** Runs until the PONG to the PING of a drain. */
  private @Nullable Future<?> drainTimer;

  ServerConnection(
      Channel channel, HboneSettings settings, ConnectHandler handler, HboneObserver observer) {
    this.channel = channel;
    this.settings = settings;
    this.handler = handler;
    this.connection = new Http2Connection(settings, observer, this);
    this.deadlineNanos =
        channel.eventLoop().ticker().nanoTime() + settings.handshakeTimeout().toNanos();
    this.remote =
        channel.remoteAddress() instanceof InetSocketAddress address
            ? address
            : InetSocketAddress.createUnresolved("unknown", 0);
    channel.closeFuture().addListener(_ -> onChannelClosed());
  }

  /** Waits for the certificate, then shakes hands. */
  void begin(Future<ServerTls> tls) {
    channel.config().setAllocator(PooledByteBufAllocator.DEFAULT);
    channel.config().setRecvByteBufAllocator(SocketReads.ofRecords());
    // HTTP/2 over TLS has no use for half a connection: a client that ends its half has left.
    channel.config().setOption(ChannelOption.ALLOW_HALF_CLOSURE, false);
    channel.config().setWriteBufferWaterMark(Http2Connection.WATER_MARK);
    handshakeTimer =
        channel
            .eventLoop()
            .schedule(this::onTlsTimeout, handshakeNanosLeft(), TimeUnit.NANOSECONDS);
    if (tls.isDone()) {
      onTls(tls);
    } else {
      tls.addListener(
          done -> {
            if (channel.eventLoop().inEventLoop()) {
              onTls(tls);
            } else {
              channel.eventLoop().execute(() -> onTls(tls));
            }
          });
    }
  }

  /** The protocol's part, which goes into the pipeline once the transport is secured. */
  Http2Connection http2() {
    return connection;
  }

  // HboneServerConnection

  @Override
  public void drain() {
    assert channel.eventLoop().inEventLoop();
    drainRequested = true;
    if (stage == Stage.SERVING) {
      stage = Stage.DRAINING;
      connection.writer().goAway(HIGHEST_STREAM_ID, Http2Error.NO_ERROR.code(), "");
      connection.writer().ping(DRAIN_PING, false);
      drainTimer =
          channel
              .eventLoop()
              .schedule(this::onDrained, settings.pingTimeout().toNanos(), TimeUnit.NANOSECONDS);
    }
  }

  @Override
  public void closeIfRevoked() {
    assert channel.eventLoop().inEventLoop();
    @Nullable X509Certificate revoked = revoked();
    if (revoked == null) {
      return;
    }
    switch (stage) {
      case SERVING, DRAINING, DRAINED -> {
        stage = Stage.DRAINED; // what its owner ends has not failed
        connection.observer().onPeerRevoked(side());
        connection.closeRevoked(RevokedPeerException.describe(revoked));
      }
      case HANDSHAKE, OVER -> {} // looked at when it stands
    }
  }

  private @Nullable X509Certificate revoked() {
    return peer == null || trust == null ? null : trust.revoked(peer.chain(), acceptedBy);
  }

  @Override
  public void close(String reason) {
    assert channel.eventLoop().inEventLoop();
    switch (stage) {
      case HANDSHAKE -> {
        failHandshake(new HboneFailure.TlsFailed(remote, reason));
        channel.close();
      }
      case SERVING, DRAINING, DRAINED -> {
        stage = Stage.DRAINED; // what its owner ends has not failed
        connection.close(reason);
      }
      case OVER -> {}
    }
  }

  // TlsHandshake.Outcome

  @Override
  public void onSecured(TlsPeer secured) {
    if (stage != Stage.HANDSHAKE) {
      return; // timed out, or closed by the owner, in the same turn
    }
    peer = secured;
    if (trust != null) {
      acceptedBy = trust.rootsOf(secured.chain());
    }
    @Nullable X509Certificate revoked = revoked();
    if (revoked != null) { // since it was verified in this handshake
      onTlsFailed(new RevokedPeerException(revoked));
      channel.close();
      return;
    }
    cancelTimer();
    stage = Stage.SERVING;
    connection.start(handshakeNanosLeft());
  }

  @Override
  public void onTlsFailed(Throwable cause) {
    HboneFailure failure = TlsErrors.failure(remote, cause);
    if (failure instanceof HboneFailure.PeerRevoked && stage == Stage.HANDSHAKE) {
      connection.observer().onPeerRevoked(side());
    }
    failHandshake(failure);
  }

  // Http2Role

  @Override
  public HboneObserver.Role side() {
    return HboneObserver.Role.SERVER;
  }

  @Override
  public void sendPreface(FrameWriter writer, HboneSettings settings) {
    writer.settings(
        SettingIds.MAX_CONCURRENT_STREAMS,
        MAX_CONCURRENT_STREAMS,
        SettingIds.INITIAL_WINDOW_SIZE,
        settings.streamWindowBytes(),
        SettingIds.MAX_FRAME_SIZE,
        settings.frameSizeBytes(),
        SettingIds.MAX_HEADER_LIST_SIZE,
        MAX_HEADER_LIST_BYTES);
  }

  @Override
  public void onStarted(Http2Connection started) {
    TlsPeer known = peer;
    if (known != null) {
      handler.onEstablished(known);
    }
    if (drainRequested) {
      drain();
    }
  }

  @Override
  public byte[] expectedPreface() {
    return PREFACE;
  }

  @Override
  public int maxHeaderListBytes() {
    return MAX_HEADER_LIST_BYTES;
  }

  @Override
  public boolean isPeerStream(int streamId) {
    return (streamId & 1) == 1;
  }

  @Override
  public int lastOwnStreamId() {
    return 0;
  }

  @Override
  public void onRequest(int streamId, Http2Headers headers, boolean endStream)
      throws ConnectionError {
    TlsPeer known = peer;
    boolean serves = stage == Stage.SERVING || stage == Stage.DRAINING;
    if (!serves || known == null || connection.openToPeer() >= MAX_CONCURRENT_STREAMS) {
      connection.refuse(streamId, Http2Error.REFUSED_STREAM);
      return;
    }
    @Nullable ServerRequest request = ServerRequest.of(connection, headers, known);
    if (request == null) {
      connection.refuse(streamId, Http2Error.PROTOCOL_ERROR);
      return;
    }
    TunnelStream stream = connection.newStream(streamId, request);
    request.bind(stream);
    if (endStream) {
      stream.onRemoteEnd();
    }
    handler.onConnect(request);
  }

  @Override
  public void onPeerSettings() {
    peerSettingsSeen = true;
  }

  /** The client opens no more streams; it closes the connection when it is done. */
  @Override
  public void onGoAway(int lastStreamId, long errorCode, String debug) {}

  @Override
  public void onOutputLost() {}

  @Override
  public void onRoundTrip(long nanos) {}

  @Override
  public void onPong(long payload) {
    if (payload == DRAIN_PING) {
      onDrained();
    }
  }

  /** No more requests are on their way, or the client has had its time to say so. */
  private void onDrained() {
    if (stage == Stage.DRAINING) {
      stage = Stage.DRAINED;
      cancelDrainTimer();
      connection.goAway(Http2Error.NO_ERROR.code(), "");
      if (connection.streams().isEmpty()) {
        connection.end(DRAINED);
      }
    }
  }

  private void cancelDrainTimer() {
    if (drainTimer != null) {
      drainTimer.cancel(false);
      drainTimer = null;
    }
  }

  @Override
  public void onStreamGone() {
    if (stage == Stage.DRAINED) {
      // Not at once: a stream may go in the middle of a flush, which comes before the last PING.
      connection.loop().execute(this::leaveIfDrained);
    }
  }

  @Override
  public void onKeepAliveTimeout(Http2Connection dead) {
    connection.observer().onPingTimeout(side(), remote);
    dead.close("keep-alive timed out: no PONG within " + settings.pingTimeout().toMillis() + " ms");
  }

  @Override
  public void onHandshakeTimeout() {}

  @Override
  public void onEnded(String reason) {
    boolean failed = stage == Stage.SERVING && !peerSettingsSeen;
    stage = Stage.OVER;
    cancelDrainTimer();
    if (failed) {
      // With TLS 1.3 the client judges our certificate after our side of the handshake is done.
      handler.onHandshakeFailed(
          reason.startsWith(TlsErrors.ALERT_PREFIX)
              ? new HboneFailure.TlsFailed(remote, reason)
              : new HboneFailure.Http2Failed(reason));
    }
  }

  private void leaveIfDrained() {
    if (stage == Stage.DRAINED && connection.streams().isEmpty()) {
      connection.leave(DRAINED);
    }
  }

  private void onTls(Future<ServerTls> tls) {
    if (stage != Stage.HANDSHAKE || !channel.isActive()) {
      return; // timed out, or the peer has left
    }
    if (!tls.isSuccess()) {
      failHandshake(new HboneFailure.IdentityUnavailable(String.valueOf(tls.cause().getMessage())));
      channel.close();
      return;
    }
    if (tls.getNow().isClosed()) {
      failHandshake(new HboneFailure.IdentityUnavailable("the TLS context is closed"));
      channel.close();
      return;
    }
    trust = tls.getNow().trust();
    channel.pipeline().addLast("alpn", new AlpnCheck(tls.getNow()));
    channel.pipeline().addLast("tls-handshake", new TlsHandshake(http2(), this));
    channel.config().setAutoRead(true);
  }

  private void onTlsTimeout() {
    failHandshake(
        new HboneFailure.HandshakeTimedOut(
            remote,
            "TLS handshake not done within " + settings.handshakeTimeout().toMillis() + " ms"));
    channel.close();
  }

  private void onChannelClosed() {
    failHandshake(new HboneFailure.TlsFailed(remote, "connection closed during TLS handshake"));
    connection.lost("connection closed by peer"); // comes before the channel's own event
    handler.onClosed();
  }

  private void failHandshake(HboneFailure failure) {
    if (stage == Stage.HANDSHAKE) {
      stage = Stage.OVER;
      cancelTimer();
      handler.onHandshakeFailed(failure);
    }
  }

  private void cancelTimer() {
    if (handshakeTimer != null) {
      handshakeTimer.cancel(false);
      handshakeTimer = null;
    }
  }

  private long handshakeNanosLeft() {
    return Math.max(0, deadlineNanos - channel.eventLoop().ticker().nanoTime());
  }

  private static byte[] preface() {
    byte[] bytes = new byte[Http2CodecUtil.connectionPrefaceBuf().readableBytes()];
    Http2CodecUtil.connectionPrefaceBuf().getBytes(0, bytes);
    return bytes;
  }
}
