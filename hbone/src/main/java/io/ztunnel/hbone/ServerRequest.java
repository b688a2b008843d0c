package io.ztunnel.hbone;

import io.netty.channel.EventLoop;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.Http2Error;
import io.netty.handler.codec.http2.Http2Headers;
import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * One request that waits for its answer.
 *
 * <p>Confined to its connection's event loop.
 */
final class ServerRequest implements InboundConnect, TunnelStream.Opening {
  private final Http2Connection connection;
  private final String method;
  private final ConnectRequest request;
  private final TlsPeer peer;
  private @Nullable TunnelStream stream;
  private @Nullable Consumer<TunnelTermination> onAbandoned;
  private @Nullable TunnelTermination gone;
  private boolean answered;

  private ServerRequest(
      Http2Connection connection, String method, ConnectRequest request, TlsPeer peer) {
    this.connection = connection;
    this.method = method;
    this.request = request;
    this.peer = peer;
  }

  /**
   * Reads a request's fields, each of which was checked alone; null if they do not fit together
   * (RFC 9113, 8.3.1 and 8.5).
   */
  static @Nullable ServerRequest of(
      Http2Connection connection, Http2Headers headers, TlsPeer peer) {
    CharSequence method = headers.method();
    if (method == null || headers.status() != null) {
      return null;
    }
    if (headers.contains(Http2Headers.PseudoHeaderName.PROTOCOL.value())) {
      return null; // an extended CONNECT (RFC 8441), which our SETTINGS do not offer
    }
    boolean hasTarget = headers.scheme() != null && headers.path() != null;
    boolean hasNoTarget = headers.scheme() == null && headers.path() == null;
    boolean isConnect = method.toString().equals("CONNECT");
    if (isConnect ? !hasNoTarget : !hasTarget) {
      return null;
    }
    return new ServerRequest(connection, method.toString(), connectRequest(headers), peer);
  }

  /** The stream that carries it. */
  void bind(TunnelStream of) {
    stream = of;
  }

  @Override
  public EventLoop eventLoop() {
    return connection.loop();
  }

  @Override
  public String method() {
    return method;
  }

  @Override
  public ConnectRequest request() {
    return request;
  }

  @Override
  public TlsPeer peer() {
    return peer;
  }

  @Override
  public void onAbandoned(Consumer<TunnelTermination> action) {
    assert connection.loop().inEventLoop();
    if (gone != null) {
      action.accept(gone);
    } else {
      onAbandoned = action;
    }
  }

  @Override
  public Tunnel accept(ConnectAnswer answer, TunnelListener listener) {
    assert connection.loop().inEventLoop();
    TunnelStream carrier = answer();
    TunnelTermination cause = gone;
    if (cause != null) {
      connection.loop().execute(() -> listener.onTerminated(cause));
      return carrier;
    }
    Http2Headers headers = new DefaultHttp2Headers(false, 4).status("200");
    ConnectFields.set(headers, ConnectFields.BAGGAGE, answer.baggage());
    ConnectFields.set(headers, ConnectFields.WORKLOAD_UID, answer.workloadUid());
    connection.writer().headers(carrier.id(), headers, false);
    carrier.markOpened();
    carrier.open(listener);
    return carrier;
  }

  @Override
  public void reject(int status) {
    assert connection.loop().inEventLoop();
    TunnelStream carrier = answer();
    if (gone != null) {
      return;
    }
    connection.onTurnedDown();
    boolean peerIsDone = carrier.receive().isEnded();
    carrier.discard();
    connection
        .writer()
        .headers(
            carrier.id(), new DefaultHttp2Headers(false, 2).status(String.valueOf(status)), true);
    if (peerIsDone) {
      connection.streams().onEnded(carrier);
      connection.streams().onFinished(carrier);
    } else {
      connection.resetStream(carrier, Http2Error.NO_ERROR.code());
    }
    connection.onStreamGone();
  }

  @Override
  public void abort(TunnelReset code) {
    assert connection.loop().inEventLoop();
    TunnelStream carrier = answer();
    if (gone == null) {
      connection.onTurnedDown();
      carrier.reset(code);
    }
  }

  // TunnelStream.Opening

  @Override
  public void onHeaders(TunnelStream of, Http2Headers headers, boolean endStream)
      throws ConnectionError {
    connection.onTrailers(of, headers, endStream);
  }

  @Override
  public void onGone(TunnelTermination cause) {
    gone = cause;
    Consumer<TunnelTermination> action = onAbandoned;
    onAbandoned = null;
    if (action != null) {
      action.accept(cause);
    }
  }

  @Override
  public String toString() {
    return method + " " + request.authority() + " on " + stream;
  }

  private TunnelStream answer() {
    if (answered) {
      throw new IllegalStateException("answered twice: " + this);
    }
    answered = true;
    onAbandoned = null;
    return Objects.requireNonNull(stream);
  }

  private static ConnectRequest connectRequest(Http2Headers headers) {
    CharSequence authority = headers.authority();
    return new ConnectRequest(
        authority == null ? "" : authority.toString(),
        Baggage.text(headers),
        ConnectFields.get(headers, ConnectFields.FORWARDED),
        ConnectFields.get(headers, ConnectFields.TRACEPARENT),
        ConnectFields.get(headers, ConnectFields.FORWARDED_NETWORK),
        ConnectFields.get(headers, ConnectFields.ISTIO_SOURCE));
  }
}
