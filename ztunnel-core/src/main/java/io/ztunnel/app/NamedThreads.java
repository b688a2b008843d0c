package io.ztunnel.app;

import io.netty.util.concurrent.DefaultThreadFactory;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Makes Netty's threads with the names that operators know: {@code ztunnel-0}, {@code ztunnel-1}, …
 */
final class NamedThreads extends DefaultThreadFactory {
  private final String name;
  private final AtomicInteger next = new AtomicInteger();

  NamedThreads(String name) {
    this(name, Thread.NORM_PRIORITY);
  }

  /**
   * Threads of one priority.
   *
   * @param priority what Java calls so; docker/jvm.options says which nice value it is
   */
  NamedThreads(String name, int priority) {
    super(name, true, priority);
    this.name = name;
  }

  @Override
  protected Thread newThread(Runnable task, String ignored) {
    return super.newThread(task, name + "-" + next.getAndIncrement());
  }
}
