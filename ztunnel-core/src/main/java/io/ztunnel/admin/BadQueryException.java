package io.ztunnel.admin;

import java.io.Serial;

/** A query that is not understood: the message says what was found and what was expected. */
final class BadQueryException extends Exception {
  @Serial private static final long serialVersionUID = 1;

  BadQueryException(String message) {
    super(message);
  }
}
