package io.ztunnel.proxy;

import io.ztunnel.hbone.ConnectErrors;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import org.jspecify.annotations.Nullable;

/** What the errors of sockets mean. */
final class SocketErrors {
  private SocketErrors() {}

  /** Whether the peer has closed or reset the connection: ECONNRESET, EPIPE, ENOTCONN. */
  static boolean isPeerGone(Throwable cause) {
    if (cause instanceof ClosedChannelException) {
      return true;
    }
    @Nullable String message = cause.getMessage();
    return cause instanceof IOException
        && message != null
        && (message.contains("Connection reset")
            || message.contains("Broken pipe")
            || message.contains("not connected")
            || message.contains("connection closed"));
  }

  /**
   * Whether a write failed because of a reset that came after the peer's FIN (Linux, tcp_reset:
   * EPIPE in CLOSE_WAIT).
   */
  static boolean isResetAfterEnd(Throwable cause) {
    @Nullable String message = cause.getMessage();
    return message != null && message.contains("Broken pipe");
  }

  /** One line that says what happened. */
  static String text(Throwable cause) {
    return ConnectErrors.text(cause);
  }
}
