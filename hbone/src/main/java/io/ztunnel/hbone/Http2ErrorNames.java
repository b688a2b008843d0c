package io.ztunnel.hbone;

import io.netty.handler.codec.http2.Http2Error;
import org.jspecify.annotations.Nullable;

/** Names of HTTP/2 error codes for logs (RFC 9113, 7). */
final class Http2ErrorNames {
  private Http2ErrorNames() {}

  static String name(long code) {
    @Nullable Http2Error known = Http2Error.valueOf(code);
    return known == null ? "0x" + Long.toHexString(code) : known.name();
  }
}
