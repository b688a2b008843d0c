package io.ztunnel.admin;

import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Promise;
import java.util.concurrent.Callable;
import java.util.concurrent.RejectedExecutionException;

/**
 * Makes the answers that pass over the whole state, on a thread of their own, so that the admin and
 * stats servers go on meanwhile. Any thread may ask.
 */
final class Work {
  private final EventExecutor executor;

  /**
   * Work on this executor, which is not owned.
   *
   * @param executor one thread; what it rejects is answered with 503
   */
  Work(EventExecutor executor) {
    this.executor = executor;
  }

  Answer answer(Callable<HttpReply> reply) {
    Promise<HttpReply> promise = executor.newPromise();
    try {
      executor.execute(
          () -> {
            if (!promise.setUncancellable()) {
              return; // the client has gone
            }
            try {
              promise.setSuccess(reply.call());
            } catch (Exception e) {
              promise.setFailure(e);
            }
          });
    } catch (RejectedExecutionException _) {
      return HttpReply.text(
          HttpResponseStatus.SERVICE_UNAVAILABLE, "too many requests are waiting; try again\n");
    }
    return new Answer.Later(promise, false);
  }
}
