package io.ztunnel.identity;

import java.io.IOException;

/** Files cannot be taken over now, although they may be later as they are. */
final class NotNowException extends IOException {
  private static final long serialVersionUID = 1L;

  NotNowException(String message, Throwable cause) {
    super(message, cause);
  }
}
