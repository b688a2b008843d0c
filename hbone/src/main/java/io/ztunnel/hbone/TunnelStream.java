package io.ztunnel.hbone;

import io.netty.buffer.ByteBuf;
import io.netty.channel.EventLoop;
import io.netty.handler.codec.http2.Http2Headers;
import org.jspecify.annotations.Nullable;

/**
 * One stream of a connection, from its CONNECT on; a {@link Tunnel} once it was answered by 200.
 *
 * <pre>
 *   Opening --open--> Open --both ends flushed and handed on--> Over (onFinished)
 *      |                |------- left, our end flushed -------> Over (onFinished)
 *      |                |------- cut, all of ours sent -------> Over (onFinished)
 *      |                |------- reset, connection lost ------> Over (onTerminated)
 *      |                `------- reset by its owner ----------> Over (silent)
 *      `--------------- rejected, reset, lost ----------------> Over (Opening is told)
 * </pre>
 *
 * <p>Confined to its connection's event loop.
 */
final class TunnelStream implements Tunnel, SendHalf.Listener, ReceiveHalf.Reader {
  /** Who waits for the answer, or has to give it. */
  interface Opening {
    /** A header block arrived: an answer, if the stream is ours. */
    void onHeaders(TunnelStream stream, Http2Headers headers, boolean endStream)
        throws ConnectionError;

    /** The stream is over before its answer. */
    void onGone(TunnelTermination cause);
  }

  private sealed interface Phase {
    record Opening(TunnelStream.Opening opening) implements Phase {}

    record Open(TunnelListener listener) implements Phase {}

    record Over() implements Phase {}
  }

  private final Http2Connection connection;
  private final int id;
  private final SendHalf send;
  private final ReceiveHalf receive;
  private Phase phase;
  private boolean opened;
  private boolean endFlushed;

  /** Nobody wants what the peer still sends. */
  private boolean left;

  /** With which the stream ends as soon as it has a listener. */
  private @Nullable TunnelReset dueReset;

  private boolean awaitsReadComplete;

  TunnelStream(Http2Connection connection, int id, Opening opening) {
    this.connection = connection;
    this.id = id;
    this.phase = new Phase.Opening(opening);
    this.send = connection.newSendHalf(id, this);
    this.receive = connection.newReceiveHalf(id);
  }

  int id() {
    return id;
  }

  Http2Connection connection() {
    return connection;
  }

  SendHalf send() {
    return send;
  }

  ReceiveHalf receive() {
    return receive;
  }

  /** Whether the answer is still to come. */
  boolean isOpening() {
    return phase instanceof Phase.Opening;
  }

  boolean isOver() {
    return phase instanceof Phase.Over;
  }

  /** The tunnel exists from now on; tells the observer. */
  void markOpened() {
    opened = true;
    connection.observer().onTunnelOpened(connection.side());
  }

  /** Gives what arrives to the listener, beginning after this call. */
  void open(TunnelListener listener) {
    switch (phase) {
      case Phase.Opening _ -> {
        phase = new Phase.Open(listener);
        receive.open(this);
        if (dueReset == null) {
          finishIfDone();
        } else {
          resetAndTell(dueReset);
        }
      }
      case Phase.Open _ -> throw new IllegalStateException("opened twice: " + this);
      case Phase.Over _ -> {} // its owner reset it before it had a listener
    }
  }

  // What the peer does.

  void onHeaders(Http2Headers headers, boolean endStream) throws ConnectionError {
    switch (phase) {
      case Phase.Opening(Opening opening) -> opening.onHeaders(this, headers, endStream);
      case Phase.Open _ -> connection.onTrailers(this, headers, endStream);
      case Phase.Over _ -> {} // reset while its frames were on their way
    }
  }

  void onRemoteEnd() {
    receive.end();
    onHalfEnded(); // first: the reader may find that this was the last thing to happen
    receive.handOnEndWhenDelivered();
  }

  /** Ends the stream for a reason that is not its owner's; the stream is out of the table. */
  void terminate(TunnelTermination cause) {
    send.abandon();
    receive.flush();
    Phase before = over();
    switch (before) {
      case Phase.Opening(Opening opening) -> opening.onGone(cause);
      case Phase.Open(TunnelListener listener) -> listener.onTerminated(cause);
      case Phase.Over _ -> {} // its owner reset it while the last payload was handed on
    }
    connection.onStreamGone();
  }

  /** Ends the stream without a word to its owner, who knows. */
  void discard() {
    send.abandon();
    over();
    connection.streams().onFinished(this);
  }

  void onReadComplete() {
    awaitsReadComplete = false;
    if (phase instanceof Phase.Open(TunnelListener listener)) {
      listener.onReadComplete();
    }
  }

  // SendHalf.Listener

  @Override
  public void onWritable() {
    if (phase instanceof Phase.Open(TunnelListener listener)) {
      listener.onWritabilityChanged();
    }
  }

  @Override
  public void onEndWritten() {
    onHalfEnded();
  }

  @Override
  public void onEndFlushed() {
    endFlushed = true;
    finishIfDone();
  }

  @Override
  public void onCut() {
    resetAndTell(TunnelReset.CANCEL);
  }

  // ReceiveHalf.Reader

  @Override
  public void onPayload(ByteBuf payload) {
    if (phase instanceof Phase.Open(TunnelListener listener)) {
      if (!awaitsReadComplete) {
        awaitsReadComplete = true;
        connection.onPayloadHandedOn(this);
      }
      listener.onData(payload);
    } else {
      payload.release();
    }
  }

  @Override
  public void onEnd() {
    if (phase instanceof Phase.Open(TunnelListener listener)) {
      listener.onEndOfStream();
      finishIfDone();
    }
  }

  @Override
  public void onDelivered() {
    connection.onReadComplete();
  }

  // Tunnel

  @Override
  public EventLoop eventLoop() {
    return connection.loop();
  }

  @Override
  public void write(ByteBuf payload) {
    assert connection.loop().inEventLoop();
    if (isOver() || send.isEnding()) {
      payload.release();
      return;
    }
    send.write(payload);
  }

  @Override
  public boolean isWritable() {
    assert connection.loop().inEventLoop();
    return !isOver() && !send.isEnding() && send.isWritable();
  }

  @Override
  public void shutdownOutput() {
    assert connection.loop().inEventLoop();
    if (!isOver() && !send.isEnding()) {
      send.end();
    }
  }

  @Override
  public void leave() {
    shutdownOutput();
    left = true;
    finishIfDone();
  }

  @Override
  public void resetAfterWrites() {
    assert connection.loop().inEventLoop();
    if (send.isEnding()) {
      resetAndTell(TunnelReset.CANCEL);
    } else if (!isOver()) {
      send.cut();
    }
  }

  @Override
  public void consumed(int bytes) {
    assert connection.loop().inEventLoop();
    receive.consumed(bytes);
  }

  @Override
  public void reset(TunnelReset code) {
    assert connection.loop().inEventLoop();
    if (isOver()) {
      return;
    }
    boolean ended = isEnded();
    discard();
    if (!ended) {
      connection.resetStream(this, code.code());
    }
    connection.onStreamGone();
  }

  @Override
  public String toString() {
    return connection + "#" + id;
  }

  private boolean isEnded() {
    return send.isEndWritten() && receive.isEnded();
  }

  private void onHalfEnded() {
    if (isEnded() && !isOver()) {
      connection.onStreamEnded(this);
      connection.onStreamGone();
      finishIfDone();
    }
  }

  private void finishIfDone() {
    if (!endFlushed || !(phase instanceof Phase.Open(TunnelListener listener))) {
      return;
    }
    if (receive.isEndHandedOn()) {
      over();
      connection.streams().onFinished(this);
      listener.onFinished();
      connection.onStreamGone();
    } else if (left) {
      resetAndTell(
          connection.side() == HboneObserver.Role.SERVER
              ? TunnelReset.NO_ERROR
              : TunnelReset.CANCEL);
    }
  }

  private void resetAndTell(TunnelReset code) {
    switch (phase) {
      case Phase.Open(TunnelListener listener) -> {
        reset(code);
        listener.onFinished();
      }
      case Phase.Opening _ -> dueReset = code; // its owner says so while it is given the tunnel
      case Phase.Over _ -> {}
    }
  }

  private Phase over() {
    Phase before = phase;
    if (before instanceof Phase.Over) {
      return before;
    }
    phase = new Phase.Over();
    receive.close();
    if (opened) {
      connection.observer().onTunnelClosed(connection.side());
    }
    return before;
  }
}
