package io.ztunnel.admin;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.handler.codec.http.HttpResponseStatus;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/**
 * The answer to one request. Whoever writes it releases the body.
 *
 * @param headers more than content type and length
 * @param contentType empty for none
 */
record HttpReply(
    HttpResponseStatus status, String contentType, ByteBuf body, Map<String, String> headers) {
  private static final String TEXT = "text/plain";

  static final HttpReply NOT_FOUND = empty(HttpResponseStatus.NOT_FOUND);
  static final HttpReply METHOD_NOT_ALLOWED = empty(HttpResponseStatus.METHOD_NOT_ALLOWED);

  HttpReply {
    headers = Map.copyOf(headers);
  }

  static HttpReply empty(HttpResponseStatus status) {
    return new HttpReply(status, "", Unpooled.EMPTY_BUFFER, Map.of());
  }

  static HttpReply text(HttpResponseStatus status, String body) {
    return of(status, TEXT, body);
  }

  static HttpReply of(HttpResponseStatus status, String contentType, String body) {
    return new HttpReply(
        status, contentType, Unpooled.copiedBuffer(body, StandardCharsets.UTF_8), Map.of());
  }
}
