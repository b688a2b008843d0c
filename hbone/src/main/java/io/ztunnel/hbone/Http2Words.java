package io.ztunnel.hbone;

import io.netty.handler.codec.http2.Http2Error;
import org.jspecify.annotations.Nullable;

/** How logs tell of what a peer said in HTTP/2 (RFC 9113, 7). */
final class Http2Words {
  private Http2Words() {}

  /** The name of an error, or its code if it has none. */
  static String error(long code) {
    @Nullable Http2Error known = Http2Error.valueOf(code);
    return known == null ? "0x" + Long.toHexString(code) : known.name();
  }

  static String reset(long code) {
    return "stream error received: " + error(code);
  }

  static String goAway(long code, String debug) {
    return "connection going away: " + error(code) + (debug.isEmpty() ? "" : " (" + debug + ")");
  }
}
