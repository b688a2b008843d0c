package io.ztunnel.hbone;

import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http2.Http2Error;
import io.netty.handler.codec.http2.Http2Headers;
import io.netty.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * One CONNECT of ours, from the request to the pool until its answer.
 *
 * <pre>
 *   Waiting --CONNECT--> Sent --answer, failure--> Done
 *      ^---not processed, moved----'
 * </pre>
 *
 * <p>Confined to the pool's event loop.
 */
final class TunnelRequest implements PendingTunnel, TunnelStream.Opening {
  /** How often it leaves a connection whose peer is dead: by then the others are known. */
  private static final int MOST_MOVES = 2;

  /** Not in HTTP/2 (RFC 9113, 8.6). */
  private static final int SWITCHING_PROTOCOLS = 101;

  /** Who finds a connection for it. Confined to its loop. */
  interface Line {
    HboneSettings settings();

    void assertConfined();

    /** Puts the request on a connection, or in line for one. */
    void assign(TunnelRequest request);

    /** Nobody waits any more for a request that has no connection yet. */
    void onCancelled(TunnelRequest request);

    /**
     * Puts no more requests on a connection whose peer could not serve one, if there may be others
     * to other peers.
     *
     * @return whether the request may go to another one
     */
    default boolean leaveUnserving(ClientConnection on) {
      return false;
    }

    /**
     * Whether a request without an answer may be sent on another connection than this one, which
     * was lost with it: its peer was one of several.
     */
    default boolean mayRepeat(ClientConnection lost) {
      return false;
    }

    /** The connection in the making that a request waits for, or one of them. */
    @Nullable ClientConnection awaited(TunnelRequest request);
  }

  private sealed interface State {
    record Waiting() implements State {}

    record Sent(ClientConnection on, TunnelStream stream, Future<?> timer) implements State {}

    record Done() implements State {}
  }

  private final Line line;
  private final PeerKey key;
  private final ConnectRequest request;
  private final TunnelOpening opening;
  private State state = new State.Waiting();
  private boolean retried;
  private boolean unserved;
  private int moves;

  TunnelRequest(Line line, PeerKey key, ConnectRequest request, TunnelOpening opening) {
    this.line = line;
    this.key = key;
    this.request = request;
    this.opening = opening;
  }

  PeerKey key() {
    return key;
  }

  ConnectRequest request() {
    return request;
  }

  boolean isWaiting() {
    return state instanceof State.Waiting;
  }

  /** Whether somebody could not serve it. */
  boolean isUnserved() {
    return unserved;
  }

  /** The CONNECT is on its way. */
  void onSent(ClientConnection on, TunnelStream stream) {
    Future<?> timer =
        on.loop()
            .schedule(
                this::onTimeout, line.settings().connectTimeout().toNanos(), TimeUnit.NANOSECONDS);
    state = new State.Sent(on, stream, timer);
  }

  /** Where the CONNECT is that waits for its answer. */
  @Nullable Http2Connection sentOn() {
    return state instanceof State.Sent(_, TunnelStream stream, _) ? stream.connection() : null;
  }

  /**
   * Takes another connection than the one that it was sent on. The peer of that one may have got
   * it: what it has dialled ends without a byte.
   */
  void move() {
    if (state instanceof State.Sent(_, TunnelStream stream, _) && moves < MOST_MOVES) {
      moves++;
      State _ = become(new State.Waiting());
      stream.reset(TunnelReset.CANCEL);
      line.assign(this);
    }
  }

  /** There will be no tunnel. */
  void fail(HboneFailure failure) {
    if (finish() instanceof State.Done) {
      return; // cancelled in the meantime
    }
    opening.onFailed(failure);
  }

  @Override
  public void cancel() {
    line.assertConfined();
    State before = finish();
    switch (before) {
      case State.Waiting _ -> line.onCancelled(this);
      case State.Sent(_, TunnelStream stream, _) -> stream.reset(TunnelReset.CANCEL);
      case State.Done _ -> {}
    }
  }

  @Override
  public TunnelProgress progress() {
    line.assertConfined();
    return switch (state) {
      case State.Waiting _ -> {
        @Nullable ClientConnection awaited = line.awaited(this);
        yield awaited == null ? TunnelProgress.DIALLING : awaited.progress();
      }
      case State.Sent sent -> sent.on().progress();
      case State.Done _ -> TunnelProgress.UNANSWERED;
    };
  }

  @Override
  public void probe() {
    line.assertConfined();
    @Nullable ClientConnection on =
        switch (state) {
          case State.Waiting _ -> line.awaited(this);
          case State.Sent sent -> sent.on();
          case State.Done _ -> null;
        };
    if (on != null) {
      on.probe();
    }
  }

  // TunnelStream.Opening

  @Override
  public void onHeaders(TunnelStream stream, Http2Headers headers, boolean endStream)
      throws ConnectionError {
    if (!(state instanceof State.Sent(ClientConnection on, _, _))) {
      return; // done: the stream was reset
    }
    int status = status(headers);
    if (status >= 100 && status < 200 && status != SWITCHING_PROTOCOLS && !endStream) {
      on.countInterimAnswer();
      return;
    }
    if (status < 200 || status > 599) {
      stream.discard();
      stream.connection().resetStream(stream, Http2Error.PROTOCOL_ERROR.code());
      fail(new HboneFailure.Http2Failed("answer without a valid :status"));
      stream.connection().onStreamGone();
      return;
    }
    if (status != 200) {
      if (endStream) {
        stream.onRemoteEnd();
      }
      stream.reset(TunnelReset.CANCEL);
      if (isForWantOfServer(status) && line.leaveUnserving(on) && !unserved) {
        // No byte has left yet, and another one may have a server.
        unserved = true;
        State _ = become(new State.Waiting());
        line.assign(this);
        return;
      }
      fail(new HboneFailure.Rejected(status, "http status: " + HttpResponseStatus.valueOf(status)));
      return;
    }
    @Nullable String baggage = Baggage.text(headers);
    on.onAnswer(headers);
    finish();
    stream.markOpened();
    TunnelListener listener = opening.onOpened(stream, on.peer(), baggage);
    stream.open(listener);
    if (endStream && !stream.isOver()) {
      stream.onRemoteEnd();
    }
  }

  @Override
  public void onGone(TunnelTermination cause) {
    if (!(state instanceof State.Sent(ClientConnection on, TunnelStream stream, _))) {
      return; // done
    }
    boolean unprocessed =
        switch (cause) {
          case TunnelTermination.Reset(long code) -> code == Http2Error.REFUSED_STREAM.code();
          case TunnelTermination.GoAway _ -> true;
          case TunnelTermination.ConnectionLost _,
              TunnelTermination.PeerClosed _,
              TunnelTermination.PeerRevoked _,
              TunnelTermination.ReaderTooSlow _ ->
              false;
        };
    boolean tooMany =
        cause instanceof TunnelTermination.Reset && unprocessed && on.wasTooMany(stream);
    if (unprocessed && !tooMany) {
      on.stopUsing();
    }
    boolean lost =
        cause instanceof TunnelTermination.ConnectionLost
            || cause instanceof TunnelTermination.PeerClosed;
    boolean repeats = unprocessed || (lost && line.mayRepeat(on));
    if (tooMany || (repeats && !retried)) {
      // The peer did not process it, so that it may be sent again (RFC 9113, 8.7); as often as it
      // is one too many, for each connection takes some. Or no byte has left, and what the peer
      // has dialled ends without one.
      retried |= !tooMany;
      State _ = become(new State.Waiting());
      line.assign(this);
      return;
    }
    fail(
        switch (cause) {
          case TunnelTermination.Reset(long code) -> new HboneFailure.StreamReset(code);
          case TunnelTermination.ReaderTooSlow _ ->
              new HboneFailure.StreamReset(Http2Error.ENHANCE_YOUR_CALM.code());
          case TunnelTermination.GoAway(long code, String debug) ->
              new HboneFailure.WentAway(code, debug);
          case TunnelTermination.ConnectionLost _, TunnelTermination.PeerClosed _ ->
              on.failureOfLoss(cause.message());
          case TunnelTermination.PeerRevoked(String certificate) ->
              on.failureOfRevocation(certificate);
        });
  }

  private void onTimeout() {
    State before = finish();
    if (before instanceof State.Sent(_, TunnelStream stream, _)) {
      stream.reset(TunnelReset.CANCEL);
      opening.onFailed(
          new HboneFailure.AnswerTimedOut(
              "no answer to CONNECT within "
                  + line.settings().connectTimeout().toMillis()
                  + " ms"));
    }
  }

  private State finish() {
    return become(new State.Done());
  }

  private State become(State next) {
    State before = state;
    state = next;
    if (before instanceof State.Sent(ClientConnection on, _, Future<?> timer)) {
      timer.cancel(false);
      on.onNoLongerAwaited(this);
    }
    return before;
  }

  /** Whether an answer tells of what is behind the peer, and is no decision about the request. */
  private static boolean isForWantOfServer(int status) {
    return status >= 502 && status <= 504;
  }

  /** The status, or -1 if there is none or it is no number. */
  private static int status(Http2Headers headers) {
    @Nullable CharSequence status = headers.status();
    if (status == null || status.length() != 3) {
      return -1;
    }
    int value = 0;
    for (int i = 0; i < 3; i++) {
      char c = status.charAt(i);
      if (c < '0' || c > '9') {
        return -1;
      }
      value = value * 10 + (c - '0');
    }
    return value;
  }
}
