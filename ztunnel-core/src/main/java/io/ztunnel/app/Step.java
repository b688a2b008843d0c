package io.ztunnel.app;

import io.netty.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/** A step of starting or stopping that another thread does. Stateless. */
final class Step {
  /** Limit for one that has no limit of its own. */
  static final long SECONDS = 10;

  private Step() {}

  /**
   * Waits until it is done.
   *
   * @param late what is said, before the limit, when it is not in time
   */
  static void await(Future<?> step, String late) throws StartException {
    if (!step.awaitUninterruptibly(SECONDS, TimeUnit.SECONDS)) {
      throw new StartException("%s %d s".formatted(late, SECONDS));
    }
    if (!step.isSuccess()) {
      throw new StartException(step.cause());
    }
  }
}
