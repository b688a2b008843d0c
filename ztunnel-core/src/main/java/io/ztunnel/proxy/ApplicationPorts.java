package io.ztunnel.proxy;

import java.net.InetSocketAddress;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Where a workload's applications have answered. One that refuses after that has closed its port,
 * as an application does that is about to end; one that never answered there was called wrongly, as
 * one that listens on addresses of one family is by the other. Thread-safe: event loops tell and
 * ask.
 */
final class ApplicationPorts {
  /** No more than there are ports of the workload's addresses. */
  private final Set<InetSocketAddress> answered = ConcurrentHashMap.newKeySet(2);

  void onAnswered(InetSocketAddress application) {
    if (!answered.contains(application)) {
      answered.add(application);
    }
  }

  /** Whether the application has closed its port; true once for each time it does. */
  boolean onRefused(InetSocketAddress application) {
    return answered.remove(application);
  }
}
