package io.ztunnel.proxy;

/** Codes of HTTP/2 errors (RFC 9113, 7). */
final class Http2Errors {
  static final long NO_ERROR = 0x0;
  static final long STREAM_CLOSED = 0x5;
  static final long CANCEL = 0x8;

  private Http2Errors() {}
}
