package io.ztunnel.xds;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.grpc.Status;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.Http2Headers;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CallStatusTest {
  private static String text(Status status) {
    return status.getDescription() == null
        ? status.getCode().toString()
        : status.getCode() + ": " + status.getDescription();
  }

  @ParameterizedTest
  @CsvSource(
      textBlock =
          """
          0,  ,                    OK
          16, authentication%20failure, UNAUTHENTICATED: authentication failure
          14, 100%, UNAVAILABLE: 100%
          14, %C3%A9%zz%4, UNAVAILABLE: é%zz%4
          17, x,   UNKNOWN: x
          -1, ,    UNKNOWN: grpc-status: -1
          99, ,    UNKNOWN: grpc-status: 99
          ,   ,    UNKNOWN: an end without grpc-status
          """)
  void trailers(@Nullable String code, @Nullable String message, String expected) {
    Http2Headers trailers = new DefaultHttp2Headers();
    if (code != null) {
      trailers.set("grpc-status", code);
    }
    if (message != null) {
      trailers.set("grpc-message", message);
    }
    assertEquals(expected, text(CallStatus.ofTrailers(trailers)));
  }

  @ParameterizedTest
  @CsvSource(
      textBlock =
          """
          200, application/grpc,       OK
          200, application/grpc+proto, OK
          200, text/html,              UNKNOWN: content-type: text/html (expected: application/grpc)
          200, ,                       UNKNOWN: content-type: null (expected: application/grpc)
          401, text/html,              UNAUTHENTICATED: HTTP status 401
          403, ,                       PERMISSION_DENIED: HTTP status 403
          503, ,                       UNAVAILABLE: HTTP status 503
          500, ,                       UNKNOWN: HTTP status 500
          """)
  void headers(String status, @Nullable String type, String expected) {
    Http2Headers headers = new DefaultHttp2Headers().status(status);
    if (type != null) {
      headers.set("content-type", type);
    }
    assertEquals(expected, text(CallStatus.ofHeaders(headers)));
  }

  @ParameterizedTest
  @CsvSource(
      textBlock =
          """
          7,   UNAVAILABLE: RST_STREAM REFUSED_STREAM
          8,   CANCELLED: RST_STREAM CANCEL
          2,   INTERNAL: RST_STREAM INTERNAL_ERROR
          11,  RESOURCE_EXHAUSTED: RST_STREAM ENHANCE_YOUR_CALM
          77,  UNKNOWN: RST_STREAM 77
          """)
  void resets(long errorCode, String expected) {
    assertEquals(expected, text(CallStatus.ofReset(errorCode)));
  }
}
