package io.ztunnel.app;

/** The daemon cannot start; the message says what is in the way. */
final class StartException extends Exception {
  private static final long serialVersionUID = 1;

  StartException(Throwable cause) {
    super(cause.getMessage() == null ? cause.toString() : cause.getMessage(), cause);
  }

  StartException(String message) {
    super(message);
  }
}
