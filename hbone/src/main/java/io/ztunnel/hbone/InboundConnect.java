package io.ztunnel.hbone;

import io.netty.channel.EventLoop;
import java.util.function.Consumer;

/**
 * One request on a server connection, waiting for its answer. Confined to its event loop. A peer
 * that goes away while it waits is told by {@link #onAbandoned}; answering then does nothing.
 */
public interface InboundConnect {
  /** The loop of the connection. */
  EventLoop eventLoop();

  /** The {@code :method}; anything but CONNECT is for the owner to refuse. */
  String method();

  /** What the peer asked for. The authority is empty when the request has none. */
  ConnectRequest request();

  /** The peer's certificate. */
  TlsPeer peer();

  /**
   * Calls the action once, with the cause, if the peer resets the stream, or the connection ends,
   * before the answer.
   */
  void onAbandoned(Consumer<TunnelTermination> action);

  /**
   * Answers 200 and opens the tunnel.
   *
   * @param answer what else is said
   * @param listener receives what the peer sends, from this call on
   * @return the tunnel; already over if the peer has gone, in which case the listener hears of it
   */
  Tunnel accept(ConnectAnswer answer, TunnelListener listener);

  /**
   * Answers with an error status and ends the stream: {@code :status} only, END_STREAM,
   * RST_STREAM(NO_ERROR).
   */
  void reject(int status);

  /** Ends the stream without an answer. */
  void abort(TunnelReset code);
}
