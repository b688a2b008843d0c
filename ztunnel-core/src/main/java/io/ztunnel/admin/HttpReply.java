package io.ztunnel.admin;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.handler.codec.http.HttpResponseStatus;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The reply to one request.
 *
 * @param headers more than content type and length
 * @param contentType empty for none
 */
record HttpReply(
    HttpResponseStatus status, String contentType, Body body, Map<String, String> headers)
    implements Answer {
  private static final String TEXT = "text/plain";
  private static final String JSON = "application/json";

  static final HttpReply NOT_FOUND = empty(HttpResponseStatus.NOT_FOUND);
  static final HttpReply METHOD_NOT_ALLOWED = empty(HttpResponseStatus.METHOD_NOT_ALLOWED);

  HttpReply {
    headers = Map.copyOf(headers);
  }

  static HttpReply empty(HttpResponseStatus status) {
    return bytes(status, "", Unpooled.EMPTY_BUFFER);
  }

  static HttpReply text(HttpResponseStatus status, String body) {
    return of(status, TEXT, body);
  }

  static HttpReply of(HttpResponseStatus status, String contentType, String body) {
    return bytes(status, contentType, Unpooled.copiedBuffer(body, StandardCharsets.UTF_8));
  }

  static HttpReply bytes(HttpResponseStatus status, String contentType, ByteBuf body) {
    return new HttpReply(status, contentType, new Body.Whole(body), Map.of());
  }

  /** A value that is printed while it is sent; see {@link JsonPieces}. */
  static HttpReply json(@Nullable Object value) {
    return new HttpReply(
        HttpResponseStatus.OK, JSON, new Body.Streamed(new JsonPieces(value)), Map.of());
  }

  /** Nobody will take the body. */
  void discard() {
    switch (body) {
      case Body.Whole(ByteBuf bytes) -> bytes.release();
      case Body.Streamed(Body.Pieces pieces) -> Body.close(pieces);
    }
  }
}
