package io.ztunnel.hbone;

import io.netty.handler.codec.http2.Http2Error;

/**
 * The peer broke a rule in a way that ends the connection (RFC 9113, 5.4.1). Carries the code for
 * the GOAWAY and one line for the log; has no stack trace, because it tells about the peer.
 */
final class ConnectionError extends Exception {
  private static final long serialVersionUID = 1;

  private final Http2Error code;
  private final boolean flood;

  ConnectionError(Http2Error code, String message) {
    this(code, message, false);
  }

  private ConnectionError(Http2Error code, String message, boolean flood) {
    super(message, null, false, false);
    this.code = code;
    this.flood = flood;
  }

  /** A limit that guards against floods was exceeded. */
  static ConnectionError flood(String limit) {
    return new ConnectionError(Http2Error.ENHANCE_YOUR_CALM, "too many: " + limit, true);
  }

  boolean isFlood() {
    return flood;
  }

  Http2Error code() {
    return code;
  }

  /** The message of an exception, which says what was found and what was expected. */
  String text() {
    return code.name() + ": " + getMessage();
  }
}
