package io.ztunnel.admin;

import io.netty.util.concurrent.Future;

/** What a service makes of a request. */
sealed interface Answer permits HttpReply, Answer.Later {
  /**
   * The reply when it is there; a failure becomes a 500 with its message. The future completes on
   * any thread, and in bounded time: the connection is kept for it.
   *
   * @param endsWithClient whether it is cancelled when the client has ended its half: a client that
   *     does is taken for one that has left
   */
  record Later(Future<HttpReply> reply, boolean endsWithClient) implements Answer {}
}
