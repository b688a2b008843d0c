package io.ztunnel.xds;

import io.grpc.Status;
import io.netty.handler.codec.http2.Http2Error;
import io.netty.handler.codec.http2.Http2Headers;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/**
 * What HTTP/2 says about the end of a call, as gRPC's statuses. Pure.
 *
 * <p>Source: gRPC over HTTP/2 (Responses, Errors), and its mapping of HTTP statuses.
 */
final class CallStatus {
  private static final String CONTENT_TYPE = "application/grpc";
  private static final int MAX_CODE = 16;
  private static final int HEX = 16;

  private CallStatus() {}

  /** Of the headers an answer begins with: OK if they are those of a gRPC call. */
  static Status ofHeaders(Http2Headers headers) {
    CharSequence status = headers.status();
    CharSequence type = headers.get("content-type");
    if (status == null || !"200".contentEquals(status)) {
      return ofHttp(String.valueOf(status)).withDescription("HTTP status " + status);
    }
    if (type == null || !type.toString().startsWith(CONTENT_TYPE)) {
      return Status.UNKNOWN.withDescription(
          "content-type: %s (expected: %s)".formatted(type, CONTENT_TYPE));
    }
    return Status.OK;
  }

  private static Status ofHttp(String status) {
    return switch (status) {
      case "400" -> Status.INTERNAL;
      case "401" -> Status.UNAUTHENTICATED;
      case "403" -> Status.PERMISSION_DENIED;
      case "404" -> Status.UNIMPLEMENTED;
      case "429", "502", "503", "504" -> Status.UNAVAILABLE;
      default -> Status.UNKNOWN;
    };
  }

  /** Of the headers an answer ends with. */
  static Status ofTrailers(Http2Headers trailers) {
    CharSequence code = trailers.get("grpc-status");
    if (code == null) {
      Status status = trailers.status() == null ? Status.OK : ofHeaders(trailers);
      return status.isOk() ? Status.UNKNOWN.withDescription("an end without grpc-status") : status;
    }
    CharSequence message = trailers.get("grpc-message");
    Status status = ofCode(code.toString());
    return message == null ? status : status.withDescription(decoded(message.toString()));
  }

  private static Status ofCode(String code) {
    if (code.length() <= 2 && code.chars().allMatch(c -> c >= '0' && c <= '9') && !code.isEmpty()) {
      int value = Integer.parseInt(code);
      if (value <= MAX_CODE) {
        return Status.fromCodeValue(value);
      }
    }
    return Status.UNKNOWN.withDescription("grpc-status: " + code);
  }

  /** Of a stream that the other side has reset. */
  static Status ofReset(long errorCode) {
    Http2Error error = Http2Error.valueOf(errorCode);
    Status status =
        switch (error) {
          case null -> Status.UNKNOWN;
          case REFUSED_STREAM -> Status.UNAVAILABLE;
          case CANCEL -> Status.CANCELLED;
          case ENHANCE_YOUR_CALM -> Status.RESOURCE_EXHAUSTED;
          case INADEQUATE_SECURITY -> Status.PERMISSION_DENIED;
          case NO_ERROR,
              PROTOCOL_ERROR,
              INTERNAL_ERROR,
              FLOW_CONTROL_ERROR,
              SETTINGS_TIMEOUT,
              STREAM_CLOSED,
              FRAME_SIZE_ERROR,
              COMPRESSION_ERROR,
              CONNECT_ERROR,
              HTTP_1_1_REQUIRED ->
              Status.INTERNAL;
        };
    return status.withDescription(
        "RST_STREAM " + (error == null ? Long.toString(errorCode) : error.name()));
  }

  /** Undoes percent-encoding; what is none stays as it is. */
  private static String decoded(String text) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(text.length());
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '%' && i + 2 < text.length()) {
        int high = Character.digit(text.charAt(i + 1), HEX);
        int low = Character.digit(text.charAt(i + 2), HEX);
        if (high >= 0 && low >= 0) {
          bytes.write(high * HEX + low);
          i += 2;
          continue;
        }
      }
      bytes.write(c);
    }
    return bytes.toString(StandardCharsets.UTF_8);
  }
}
