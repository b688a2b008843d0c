package io.ztunnel.proxy;

import io.ztunnel.telemetry.ConnectionFailure;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;

/**
 * Every connection that one workload's proxy carries, so that a drain, a policy change or a dump
 * can find them. Thread-safe: event loops add and remove, the control thread and the admin server
 * look.
 */
final class ConnectionTable {
  private final Set<LiveConnection> live = ConcurrentHashMap.newKeySet();
  private final Drains drains;

  ConnectionTable(Drains drains) {
    this.drains = drains;
  }

  /** Registers a connection; before its policies are asked, so that no change of them is missed. */
  void add(LiveConnection connection) {
    if (live.add(connection)) {
      drains.onOpened();
    }
  }

  void remove(LiveConnection connection) {
    if (live.remove(connection)) {
      drains.onClosed();
    }
  }

  boolean isEmpty() {
    return live.isEmpty();
  }

  int size() {
    return live.size();
  }

  List<ConnectionSummary> summaries() {
    List<ConnectionSummary> summaries = new ArrayList<>();
    live.forEach(connection -> summaries.add(connection.summary()));
    return summaries;
  }

  void cutAll(ConnectionFailure cause) {
    live.forEach(connection -> connection.cut(cause));
  }

  void forEach(Consumer<LiveConnection> action) {
    live.forEach(action);
  }
}
