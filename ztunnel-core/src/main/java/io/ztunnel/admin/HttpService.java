package io.ztunnel.admin;

import io.netty.handler.codec.http.HttpRequest;

/** Answers requests, one after the other, on the server's event loop. */
interface HttpService {
  /**
   * The answer. An exception becomes a 500 with its message.
   *
   * @param path the path without the query, not decoded
   */
  Answer answer(String path, HttpRequest request) throws Exception;
}
