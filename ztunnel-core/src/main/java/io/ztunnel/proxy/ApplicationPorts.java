package io.ztunnel.proxy;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The ports on which a workload's applications have answered. One that refuses after that has
 * closed its port, as an application does that is about to end; one that never answered was called
 * wrongly. Thread-safe: event loops tell and ask.
 */
final class ApplicationPorts {
  /** No more than there are ports. */
  private final Set<Integer> answered = ConcurrentHashMap.newKeySet(2);

  void onAnswered(int port) {
    if (!answered.contains(port)) {
      answered.add(port);
    }
  }

  /** Whether the application has closed its port; true once for each time it does. */
  boolean onRefused(int port) {
    return answered.remove(port);
  }
}
