package io.ztunnel.redirection;

/**
 * Receives what the CNI agent says. Every method is called on the {@code zds} thread, in the order
 * connected, messages, disconnected, and again from the start.
 */
public interface ZdsHandler {
  /** A connection stands: a new snapshot begins. What the previous one said is history. */
  void onConnected();

  /**
   * Deals with one message; the agent hears the answer. The agent waits 5 s for it at most, so an
   * implementor that hands the message to another thread bounds its own wait below that. If this
   * throws, the answer is {@link ZdsReply.ProcessingFailed} and the client closes the namespace of
   * an {@link ZdsMessage.Add}.
   */
  ZdsReply onMessage(ZdsMessage message);

  /** The connection has ended; unless the client was closed, another will follow. */
  void onDisconnected(String reason);

  /**
   * The agent broke the protocol and was told so; the client has ended and connects no more. The
   * reference ends the process with status 1 here, so that a fresh one makes a fresh start. Called
   * last, after {@link #onDisconnected}.
   */
  void onProtocolViolation(String reason);
}
