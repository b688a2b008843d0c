package io.ztunnel.redirection;

import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.util.concurrent.Future;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

/** Two event loops for a test. Immutable. */
final class Loops implements AutoCloseable {
  private final EventLoopGroup group;

  Loops(Transport transport) {
    this.group = new EventLoops(transport, 2);
  }

  EventLoopGroup group() {
    return group;
  }

  EventLoop next() {
    return group.next();
  }

  /** The value of a future, which must succeed soon. */
  static <T> T await(Future<T> future) throws Exception {
    if (!future.await(5, TimeUnit.SECONDS)) {
      throw new AssertionError("not done: " + future);
    }
    if (!future.isSuccess()) {
      throw new AssertionError("failed: " + future.cause(), future.cause());
    }
    return future.getNow();
  }

  /** The cause of a future's failure, which must come soon. */
  static Throwable awaitFailure(Future<?> future) throws Exception {
    if (!future.await(5, TimeUnit.SECONDS)) {
      throw new AssertionError("not done: " + future);
    }
    if (future.isSuccess()) {
      throw new AssertionError("succeeded: " + future.getNow());
    }
    return future.cause();
  }

  static <T> T on(EventLoop loop, Callable<T> task) throws Exception {
    return await(loop.submit(task));
  }

  @Override
  public void close() {
    Future<?> ended = group.shutdownGracefully(0, 5, TimeUnit.SECONDS);
    if (!ended.awaitUninterruptibly(6, TimeUnit.SECONDS)) {
      throw new AssertionError("event loops do not end");
    }
  }
}
