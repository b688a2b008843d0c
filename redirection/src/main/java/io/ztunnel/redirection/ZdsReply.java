package io.ztunnel.redirection;

/** The answer to one {@link ZdsMessage}, and with it what becomes of the connection. Immutable. */
public sealed interface ZdsReply {
  /** Done. */
  record Ok() implements ZdsReply {}

  /** The pod's proxy could not start (yet); the agent is told and the connection goes on. */
  record ProxyFailed(String reason) implements ZdsReply {}

  /** The message could not be dealt with; the agent is told and the connection starts anew. */
  record ProcessingFailed(String reason) implements ZdsReply {}

  /**
   * The agent broke the protocol; it is told, and the client ends: see {@link
   * ZdsHandler#onProtocolViolation}.
   */
  record ProtocolViolation(String reason) implements ZdsReply {}
}
