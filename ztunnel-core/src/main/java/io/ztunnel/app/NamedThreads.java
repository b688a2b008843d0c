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
    super(name, true);
    this.name = name;
  }

  @Override
  protected Thread newThread(Runnable task, String ignored) {
    return super.newThread(task, name + "-" + next.getAndIncrement());
  }
}
