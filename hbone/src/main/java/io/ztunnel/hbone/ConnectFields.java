package io.ztunnel.hbone;

import io.netty.handler.codec.http2.Http2Headers;
import io.netty.util.AsciiString;
import org.jspecify.annotations.Nullable;

/** Fields of a CONNECT in an ambient mesh, and of its answer. */
final class ConnectFields {
  static final AsciiString BAGGAGE = AsciiString.cached("baggage");
  static final AsciiString FORWARDED = AsciiString.cached("forwarded");
  static final AsciiString TRACEPARENT = AsciiString.cached("traceparent");
  static final AsciiString FORWARDED_NETWORK = AsciiString.cached("x-forwarded-network");
  static final AsciiString ISTIO_SOURCE = AsciiString.cached("x-istio-source");

  /** Ours: in the answer to who came from another network. */
  static final AsciiString WORKLOAD_UID = AsciiString.cached("x-ztunnel-workload-uid");

  /** Longer ones are passed over as a whole: they are kept with the tunnel. Baggage has its own. */
  private static final int MAX_LENGTH = 1024;

  private ConnectFields() {}

  /** Whether each request has another value, which is then not worth remembering. */
  static boolean isDifferentEveryTime(CharSequence name) {
    return TRACEPARENT.contentEquals(name) || FORWARDED.contentEquals(name);
  }

  /** The first value of a field; null if there is none, or one that is too long. */
  static @Nullable String get(Http2Headers headers, CharSequence name) {
    @Nullable CharSequence value = headers.get(name);
    return value == null || value.length() > MAX_LENGTH ? null : value.toString();
  }

  /** Sets a field unless there is no value, or one that no field can have (RFC 9113, 8.2.1). */
  static void set(Http2Headers headers, CharSequence name, @Nullable String value) {
    if (value != null && isValue(value)) {
      headers.set(name, value);
    }
  }

  /**
   * Whether a field can have this value: it is visible, and neither begins nor ends with a blank.
   */
  static boolean isValue(String value) {
    return isVisible(value) && value.equals(value.strip());
  }

  /** Whether there is only visible ASCII in it, and blanks. */
  static boolean isVisible(String value) {
    for (int i = 0; i < value.length(); i++) {
      char c = value.charAt(i);
      if ((c < ' ' || c > '~') && c != '\t') {
        return false;
      }
    }
    return true;
  }
}
