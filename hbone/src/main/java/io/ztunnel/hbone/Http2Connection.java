package io.ztunnel.hbone;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.EventLoop;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.socket.ChannelInputShutdownEvent;
import io.netty.channel.socket.ChannelOutputShutdownEvent;
import io.netty.channel.socket.ChannelOutputShutdownException;
import io.netty.handler.codec.http2.Http2Error;
import io.netty.handler.codec.http2.Http2Headers;
import io.netty.handler.ssl.SslCloseCompletionEvent;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.Future;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * One HTTP/2 connection, either end: owns its parts and their order of life. What frames mean is in
 * {@link FrameDispatch}; what differs between client and server is in {@link Http2Role}.
 *
 * <pre>
 *   New --start--> Running --close, fail, lost--> Closed
 * </pre>
 *
 * <p>As a handler: it is the last of its pipeline, releases every buffer it reads, and is the only
 * one that closes the channel once it runs. Errors of handlers before it arrive here and end the
 * connection.
 *
 * <p>Confined to its event loop.
 */
final class Http2Connection extends ChannelInboundHandlerAdapter {
  /** A tunnel stops reading from its application when this much waits for the socket. */
  static final WriteBufferWaterMark WATER_MARK = new WriteBufferWaterMark(512 << 10, 1 << 20);

  /** What is in the PING of {@link #leave}; others count from 1, or are their sender's. */
  private static final long LAST_PING = 0x6c61_7374_0000_0000L;

  private static final String CLOSED_BY_PEER = "connection closed by peer";

  private enum State {
    NEW,
    RUNNING,
    CLOSED
  }

  private final HboneSettings settings;
  private final HboneObserver observer;
  private final Http2Role role;
  private final Streams streams = new Streams();
  private final List<TunnelStream> handedOn = new ArrayList<>();

  // Set once, when the handler is added to its pipeline.
  private @Nullable Parts parts;

  private State state = State.NEW;
  private @Nullable Future<?> handshakeTimer;
  private @Nullable Future<?> headerBlockTimer;
  private boolean serveScheduled;

  /** What is read now has come while the peer could not hear of answers to it. */
  private boolean reading;

  private int turnedDown;
  private long lastReadNanos;

  /** Runs until the PONG to the last PING. */
  private @Nullable Future<?> leaving;

  private String leavingBecause = "";

  /** Runs while the rest is read that came from a peer to which nothing can be sent any more. */
  private @Nullable Future<?> readingRest;

  /** What needs the channel to exist. */
  private record Parts(
      ChannelHandlerContext ctx,
      FloodGuard floods,
      FrameWriter writer,
      SendScheduler scheduler,
      ConnectionCredit credit,
      KeepAlive keepAlive,
      FrameDispatch dispatch,
      FrameReader reader) {}

  Http2Connection(HboneSettings settings, HboneObserver observer, Http2Role role) {
    this.settings = settings;
    this.observer = observer;
    this.role = role;
  }

  @Override
  public void handlerAdded(ChannelHandlerContext ctx) {
    EventLoop loop = ctx.channel().eventLoop();
    FloodGuard floods = new FloodGuard(loop.ticker());
    // Also within a tunnel: the outer connection often has no other one, and does not wait then.
    FrameWriter writer = new FrameWriter(ctx, floods, () -> streams.count() > 1);
    SendScheduler scheduler = new SendScheduler(writer, loop.ticker());
    ConnectionCredit credit =
        new ConnectionCredit(
            writer,
            settings.connectionWindowBytes(),
            settings.heldBytes(),
            loop,
            this::giveBackWithheld,
            this::endSlowReaders);
    KeepAlive keepAlive = new KeepAlive(loop, settings, writer, this::onKeepAliveTimeout);
    FrameDispatch dispatch = new FrameDispatch(this, role, streams, floods, ctx.alloc());
    FrameReader reader = new FrameReader(ctx.alloc(), dispatch, settings.frameSizeBytes());
    parts = new Parts(ctx, floods, writer, scheduler, credit, keepAlive, dispatch, reader);
  }

  /**
   * Sends the preface and begins to read; the transport is ready.
   *
   * @param handshakeNanosLeft how long the peer has to send its SETTINGS
   */
  void start(long handshakeNanosLeft) {
    assert loop().inEventLoop();
    if (state != State.NEW) {
      return; // closed in the meantime
    }
    state = State.RUNNING;
    lastReadNanos = loop().ticker().nanoTime();
    handshakeTimer =
        loop().schedule(this::onHandshakeTimeout, handshakeNanosLeft, TimeUnit.NANOSECONDS);
    observer.onConnectionOpened(side());
    SocketReads.goOnAfterFailedWrites(parts().ctx().channel());
    role.sendPreface(writer(), settings);
    parts().credit().open();
    parts().keepAlive().start();
    role.onStarted(this);
  }

  // Events of the channel.

  @Override
  public void channelRead(ChannelHandlerContext ctx, Object msg) {
    if (state != State.RUNNING || !(msg instanceof ByteBuf in)) {
      ReferenceCountUtil.release(msg);
      return;
    }
    reading = true;
    try {
      parts().dispatch().read(parts().reader(), in);
      if (writer().isFlooded()) {
        throw ConnectionError.flood("answers that the peer does not read");
      }
    } catch (ConnectionError e) {
      fail(e);
    }
  }

  @Override
  public void channelReadComplete(ChannelHandlerContext ctx) {
    lastReadNanos = loop().ticker().nanoTime();
    reading = false;
    turnedDown = 0;
    onReadComplete();
  }

  @Override
  public void channelWritabilityChanged(ChannelHandlerContext ctx) {
    if (ctx.channel().isWritable() && !serveScheduled) {
      writer().onWritable();
      // Not at once: the event comes in the middle of a write or flush of ours.
      serveScheduled = true;
      loop().execute(this::serve);
    }
  }

  @Override
  public void channelInactive(ChannelHandlerContext ctx) {
    lost(CLOSED_BY_PEER);
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext ctx, Object event) {
    if (event instanceof SslCloseCompletionEvent closed && closed.isSuccess()) {
      if (parts != null) {
        TunnelTermination cause = new TunnelTermination.PeerClosed();
        end(cause.message(), cause);
      }
    } else if (event instanceof ChannelInputShutdownEvent) {
      lost(CLOSED_BY_PEER); // for HTTP/2 there is no half of a connection
    } else if (event instanceof ChannelOutputShutdownEvent) {
      onOutputLost();
    }
  }

  /**
   * A write has failed. What the peer had sent before it closed or reset the connection is in our
   * socket still, and the end of that ends the connection.
   */
  private void onOutputLost() {
    if (state == State.RUNNING && readingRest == null) {
      writer().close();
      readingRest =
          loop()
              .schedule(
                  () -> lost(CLOSED_BY_PEER),
                  settings.pingTimeout().toNanos(),
                  TimeUnit.NANOSECONDS);
      role.onOutputLost();
    }
  }

  @Override
  @SuppressWarnings("deprecation") // the interface of inbound handlers is not
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    if (cause instanceof OuterTunnelEndedException outer) {
      role.onOuterEnded(outer);
      end(TlsErrors.text(outer), outer.asLoss());
    } else if (!(cause instanceof ChannelOutputShutdownException)) { // there is an event for it
      lost(TlsErrors.text(cause));
    }
  }

  // Commands.

  /** Ends the connection because the peer broke a rule. */
  void fail(ConnectionError error) {
    assert loop().inEventLoop();
    if (state == State.CLOSED) {
      return;
    }
    String limit = error.limit();
    if (limit != null) {
      observer.onFlood(side(), limit, String.valueOf(error.getMessage()));
    }
    goAway(error.code().code(), String.valueOf(error.getMessage()));
    end("http2 error: " + error.text());
  }

  /** Ends the connection with GOAWAY(NO_ERROR). Does nothing when it is over. */
  void close(String reason) {
    assert loop().inEventLoop();
    if (state == State.RUNNING) {
      goAway(Http2Error.NO_ERROR.code(), "");
    }
    end(reason);
  }

  /** As {@link #close}, because of the peer's certificate; tunnels are told so. */
  void closeRevoked(String certificate) {
    assert loop().inEventLoop();
    if (state == State.RUNNING) {
      goAway(Http2Error.NO_ERROR.code(), "");
    }
    end("peer certificate revoked", new TunnelTermination.PeerRevoked(certificate));
  }

  /** Ends the connection without a word: the peer is gone, or does not answer. */
  void lost(String reason) {
    if (parts != null) {
      assert loop().inEventLoop();
      end(reason);
    }
  }

  /** Tells the peer up to which of its streams we go; the connection stays. */
  void goAway(long code, String debug) {
    writer().goAway(parts().dispatch().lastPeerStreamId(), code, debug);
  }

  /** Puts a new stream of either side into the table. */
  TunnelStream newStream(int id, TunnelStream.Opening opening) {
    TunnelStream stream = new TunnelStream(this, id, opening);
    streams.add(stream);
    return stream;
  }

  /**
   * Ends a stream by RST_STREAM. Its owner is told before, or after this by the caller, who then
   * calls {@link #onStreamGone}.
   */
  void resetStream(TunnelStream stream, long code) {
    streams.onReset(stream, ClosedStreams.How.RESET_BY_US);
    if (state == State.RUNNING) {
      parts().floods().onResetSent();
      writer().reset(stream.id(), code);
    }
  }

  /** A stream has left the table and its owner knows: the connection may have come to its end. */
  void onStreamGone() {
    role.onStreamGone();
  }

  /** Resets a stream that the peer opens, before it comes to life. */
  void refuse(int streamId, Http2Error code) throws ConnectionError {
    parts().dispatch().refuse(streamId, code);
  }

  /** A request was answered in the negative. */
  void onTurnedDown() {
    if (reading) {
      turnedDown++;
    }
  }

  /**
   * Streams that are open to the peer: it cannot have heard yet of what was turned down while its
   * requests are being read.
   */
  int openToPeer() {
    return streams().count() + turnedDown;
  }

  /** Counts an answer that is not the last one, of which there may not be many. */
  void countNotice() throws ConnectionError {
    parts().floods().count(FloodGuard.Kind.NOTICE);
  }

  /** Whether nothing could be sent on any stream for so long, for want of a window. */
  boolean isShutFor(long nanos) {
    return parts().scheduler().isShutFor(nanos);
  }

  /** Asks whether the peer lives, if nothing was heard of it for this long. */
  void probeAfter(long quietNanos) {
    if (loop().ticker().nanoTime() - lastReadNanos >= quietNanos) {
      parts().keepAlive().probe();
    }
  }

  /** False as soon as the connection ends, before its streams and its owner are told. */
  boolean isRunning() {
    return state == State.RUNNING;
  }

  /** Whether the peer has left a PING unanswered for this long, and said nothing else. */
  boolean isSilent(long nanos) {
    return state == State.RUNNING && parts().keepAlive().isUnanswered(nanos, lastReadNanos);
  }

  /** When the last PING was sent by which the peer is asked whether it lives. */
  long askedNanos() {
    return parts().keepAlive().askedNanos();
  }

  /** Whether the peer has answered one that was sent at this time or later. */
  boolean hasAnsweredSince(long nanos) {
    return state == State.RUNNING && parts().keepAlive().hasAnsweredSince(nanos);
  }

  // Events of the parts.

  void onPeerReady() {
    if (handshakeTimer != null) {
      handshakeTimer.cancel(false);
      handshakeTimer = null;
    }
  }

  /** HEADERS without END_HEADERS arrived: the rest must come before long. */
  void onHeaderBlockBegun() {
    headerBlockTimer =
        loop()
            .schedule(
                () -> fail(ConnectionError.flood("seconds for a header block")),
                settings.handshakeTimeout().toNanos(),
                TimeUnit.NANOSECONDS);
  }

  void onHeaderBlockComplete() {
    if (headerBlockTimer != null) {
      headerBlockTimer.cancel(false);
      headerBlockTimer = null;
    }
  }

  void onPong(long payload) {
    if (payload == LAST_PING && leaving != null) {
      end(leavingBecause);
      return;
    }
    long nanos = parts().keepAlive().onAnswer(payload);
    if (nanos < 0) {
      role.onPong(payload);
    } else {
      role.onRoundTrip(nanos);
    }
  }

  void onStreamEnded(TunnelStream stream) {
    streams.onEnded(stream);
  }

  void onStreamReset(TunnelStream stream, TunnelTermination cause) {
    streams.onReset(stream, ClosedStreams.How.RESET_BY_PEER);
    stream.terminate(cause);
  }

  void onTrailers(TunnelStream stream, Http2Headers headers, boolean endStream)
      throws ConnectionError {
    parts().dispatch().onTrailers(stream, headers, endStream);
  }

  void onPayloadHandedOn(TunnelStream stream) {
    handedOn.add(stream);
  }

  void onReadComplete() {
    // By index: a listener may cause more to be handed on.
    for (int i = 0; i < handedOn.size(); i++) {
      handedOn.get(i).onReadComplete();
    }
    handedOn.clear();
  }

  // Parts for streams.

  SendHalf newSendHalf(int id, SendHalf.Listener listener) {
    return new SendHalf(
        id, parts().scheduler(), parts().dispatch().peerInitialWindowBytes(), listener);
  }

  ReceiveHalf newReceiveHalf(int id) {
    // A peer that has not seen our SETTINGS may use the window that RFC 9113, 6.9.2 starts with.
    int size = settings.streamWindowBytes();
    int available =
        parts().dispatch().isSettingsAcknowledged()
            ? size
            : Math.max(size, ConnectionCredit.INITIAL_BYTES);
    return new ReceiveHalf(
        id, loop(), writer(), parts().credit(), new ReceiveWindow(size, available));
  }

  FrameWriter writer() {
    return parts().writer();
  }

  SendScheduler scheduler() {
    return parts().scheduler();
  }

  ConnectionCredit credit() {
    return parts().credit();
  }

  Streams streams() {
    return streams;
  }

  EventLoop loop() {
    return parts().ctx().channel().eventLoop();
  }

  HboneObserver observer() {
    return observer;
  }

  HboneObserver.Role side() {
    return role.side();
  }

  /** What the peer allows at once; what the pool assumes until it has said so. */
  long peerMaxStreams(long untilKnown) {
    return parts().dispatch().peerMaxStreams(untilKnown);
  }

  @Override
  public String toString() {
    return side() + " connection " + (parts == null ? "" : parts.ctx().channel());
  }

  private void serve() {
    serveScheduled = false;
    if (state == State.RUNNING) {
      parts().scheduler().serve();
    }
  }

  private void giveBackWithheld() {
    if (state == State.RUNNING) {
      parts().credit().open();
      streams.activeNow().forEach(stream -> stream.receive().giveBackWithheld());
    }
  }

  /** Ends tunnels whose readers are behind, the slowest first, until there is room again. */
  private void endSlowReaders() {
    while (state == State.RUNNING && parts().credit().isFull()) {
      TunnelStream slowest =
          streams.activeNow().stream()
              .max(Comparator.comparingInt(stream -> stream.receive().held()))
              .orElse(null);
      int held = slowest == null ? 0 : slowest.receive().held();
      if (slowest == null || held == 0) {
        return;
      }
      resetStream(slowest, Http2Error.ENHANCE_YOUR_CALM.code());
      slowest.terminate(new TunnelTermination.ReaderTooSlow(held));
    }
  }

  private void onKeepAliveTimeout() {
    role.onKeepAliveTimeout(this);
  }

  private void onHandshakeTimeout() {
    role.onHandshakeTimeout();
    close("no SETTINGS within " + settings.handshakeTimeout().toMillis() + " ms");
  }

  /**
   * Ends the connection as soon as the peer has told by a PONG that it has read all that was sent,
   * or has had the time to. A socket that is closed before answers the peer's next frame, such as a
   * WINDOW_UPDATE, with a reset, and drops the end of a stream that it has still to send.
   */
  void leave(String reason) {
    if (state == State.RUNNING && leaving == null) {
      leavingBecause = reason;
      writer().ping(LAST_PING, false);
      leaving =
          loop()
              .schedule(() -> end(reason), settings.pingTimeout().toNanos(), TimeUnit.NANOSECONDS);
    }
  }

  private void cancelTimers() {
    if (leaving != null) {
      leaving.cancel(false);
      leaving = null;
    }
    if (readingRest != null) {
      readingRest.cancel(false);
    }
  }

  /** Ends the connection after what was written; streams that are left are lost. */
  void end(String reason) {
    end(reason, new TunnelTermination.ConnectionLost(reason));
  }

  private void end(String reason, TunnelTermination cause) {
    if (state == State.CLOSED) {
      return;
    }
    boolean wasRunning = state == State.RUNNING;
    state = State.CLOSED;
    onPeerReady();
    onHeaderBlockComplete();
    cancelTimers();
    parts().keepAlive().stop();
    parts().reader().close();
    parts().dispatch().close();
    parts().scheduler().close();
    parts().credit().close();
    // Whatever an owner's callback throws: the connection must not stay in a pool, nor its channel
    // open without an owner.
    try {
      terminate(streams.clear(), cause);
    } finally {
      try {
        onEnded(wasRunning, reason);
      } finally {
        writer().flush();
        writer().close();
        parts().ctx().close();
      }
    }
  }

  private void onEnded(boolean wasRunning, String reason) {
    try {
      onReadComplete();
    } finally {
      if (wasRunning) {
        observer.onConnectionClosed(side(), reason);
        role.onEnded(reason);
      }
    }
  }

  /** Tells each, whatever the owner of another one throws. */
  private static void terminate(List<TunnelStream> all, TunnelTermination cause) {
    RuntimeException thrown = null;
    for (TunnelStream stream : all) {
      try {
        stream.terminate(cause);
      } catch (RuntimeException e) {
        if (thrown == null) {
          thrown = e;
        } else {
          thrown.addSuppressed(e);
        }
      }
    }
    if (thrown != null) {
      throw thrown;
    }
  }

  private Parts parts() {
    Parts all = parts;
    if (all == null) {
      throw new IllegalStateException("not in a pipeline");
    }
    return all;
  }
}
