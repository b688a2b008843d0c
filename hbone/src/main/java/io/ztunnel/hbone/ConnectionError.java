package io.ztunnel.hbone;

import io.netty.handler.codec.http2.Http2Error;
import org.jspecify.annotations.Nullable;

/**
 * The peer broke a rule in a way that ends the connection (RFC 9113, 5.4.1). Carries the code for
 * the GOAWAY and one line for the log; has no stack trace, because it tells about the peer.
 */
final class ConnectionError extends Exception {
  private static final long serialVersionUID = 1;

  private final Http2Error code;
  private final @Nullable String limit;

  ConnectionError(Http2Error code, String message) {
    this(code, message, null);
  }

  private ConnectionError(Http2Error code, String message, @Nullable String limit) {
    super(message, null, false, false);
    this.code = code;
    this.limit = limit;
  }

  /**
   * A limit that guards against floods was exceeded.
   *
   * @param limit one of few names, for metrics
   */
  static ConnectionError flood(String limit) {
    return flood(limit, "");
  }

  /**
   * The same.
   *
   * @param detail what was found and expected, for people; it may be the peer's choice
   */
  static ConnectionError flood(String limit, String detail) {
    String message = "too many: " + limit + detail;
    return new ConnectionError(Http2Error.ENHANCE_YOUR_CALM, message, limit);
  }

  /** The limit that guards against floods and was exceeded; null: it is another error. */
  @Nullable String limit() {
    return limit;
  }

  Http2Error code() {
    return code;
  }

  /** The message of an exception, which says what was found and what was expected. */
  String text() {
    return code.name() + ": " + getMessage();
  }
}
