package io.ztunnel.proxy;

import io.netty.handler.codec.http2.Http2Error;
import org.jspecify.annotations.Nullable;

/** Codes and names of HTTP/2 errors (RFC 9113, 7). */
final class Http2Errors {
  static final long NO_ERROR = 0x0;
  static final long STREAM_CLOSED = 0x5;
  static final long CANCEL = 0x8;

  private Http2Errors() {}

  static String name(long code) {
    @Nullable Http2Error known = Http2Error.valueOf(code);
    return known == null ? "0x" + Long.toHexString(code) : known.name();
  }
}
