package io.ztunnel.dns;

/** Bytes that are no DNS message; the text says what was found and what was expected. */
final class MalformedMessageException extends Exception {
  private static final long serialVersionUID = 1L;

  MalformedMessageException(String message) {
    super(message, null, false, false); // an everyday event: no stack trace
  }
}
