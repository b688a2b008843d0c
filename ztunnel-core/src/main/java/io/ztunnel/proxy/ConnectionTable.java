package io.ztunnel.proxy;

import io.ztunnel.telemetry.ConnectionFailure;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Every connection that one workload's proxy carries, so that a drain, a policy change or a dump
 * can find them. Thread-safe: event loops add and remove, the control thread and the admin server
 * look.
 */
final class ConnectionTable {
  private final Set<LiveConnection> live = ConcurrentHashMap.newKeySet();
  private final Drains drains;

  /**
   * Why all are cut; set before they are told, so that one that comes at the same time hears it.
   */
  private volatile @Nullable ConnectionFailure cutBy;

  ConnectionTable(Drains drains) {
    this.drains = drains;
  }

  /** Registers a connection; before its policies are asked, so that no change of them is missed. */
  void add(LiveConnection connection) {
    if (!live.add(connection)) {
      return;
    }
    drains.onOpened();
    @Nullable ConnectionFailure cause = cutBy;
    if (cause != null) {
      connection.cut(cause);
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

  /** Ends all there are, and any that was accepted before and is registered only now. */
  void cutAll(ConnectionFailure cause) {
    cutBy = cause;
    live.forEach(connection -> connection.cut(cause));
  }

  void forEach(Consumer<LiveConnection> action) {
    live.forEach(action);
  }
}
