package io.ztunnel.hbone;

import io.netty.util.AsciiString;

/** Names of the fields of a CONNECT in an ambient mesh. */
final class FieldNames {
  static final AsciiString BAGGAGE = AsciiString.cached("baggage");
  static final AsciiString FORWARDED = AsciiString.cached("forwarded");
  static final AsciiString TRACEPARENT = AsciiString.cached("traceparent");
  static final AsciiString FORWARDED_NETWORK = AsciiString.cached("x-forwarded-network");
  static final AsciiString ISTIO_SOURCE = AsciiString.cached("x-istio-source");

  private FieldNames() {}

  /** Whether each request has another value, which is then not worth remembering. */
  static boolean isDifferentEveryTime(CharSequence name) {
    return TRACEPARENT.contentEquals(name) || FORWARDED.contentEquals(name);
  }
}
