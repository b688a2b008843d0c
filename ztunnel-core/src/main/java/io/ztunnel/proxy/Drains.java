package io.ztunnel.proxy;

import io.ztunnel.metrics.DrainMetrics;
import io.ztunnel.metrics.MeshRegistry;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * What all proxies of the process carry together, and how much of it drains wait for. Thread-safe:
 * event loops count, the control thread and scrapes look.
 */
public final class Drains {
  private final AtomicInteger open = new AtomicInteger();
  private final Set<ConnectionTable> draining = ConcurrentHashMap.newKeySet();
  private final DrainMetrics metrics;

  public Drains(MeshRegistry registry) {
    this.metrics = new DrainMetrics(registry, this::left);
  }

  /** Connections of proxies that are ending. */
  private int left() {
    return draining.stream().mapToInt(ConnectionTable::size).sum();
  }

  void onOpened() {
    open.incrementAndGet();
  }

  void onClosed() {
    open.decrementAndGet();
  }

  /** Whether no proxy of the process carries anything. */
  boolean isIdle() {
    return open.get() == 0;
  }

  void begin(ConnectionTable table) {
    draining.add(table);
  }

  void end(ConnectionTable table) {
    draining.remove(table);
  }

  /** What was left at the end of a drain's time. */
  void onCut(int connections) {
    metrics.cut(connections);
  }
}
