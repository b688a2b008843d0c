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

  /** Set when proxies that end have found the process idle, until the last of them has ended. */
  private volatile boolean idle;

  public Drains(MeshRegistry registry) {
    this.metrics = new DrainMetrics(registry, this::left);
  }

  /** Connections of proxies that are ending. */
  private int left() {
    return draining.stream().mapToInt(ConnectionTable::size).sum();
  }

  /** Connections of all proxies. */
  int open() {
    return open.get();
  }

  void onOpened() {
    open.incrementAndGet();
  }

  void onClosed() {
    open.decrementAndGet();
  }

  /**
   * Whether no proxy of the process carries anything, now or when another one asked that ends
   * together with this one: either all go on accepting or none.
   */
  boolean isIdle() {
    if (open.get() == 0) {
      idle = true;
    }
    return idle;
  }

  void begin(ConnectionTable table) {
    draining.add(table);
  }

  void end(ConnectionTable table) {
    draining.remove(table);
    if (draining.isEmpty()) {
      idle = false;
    }
  }

  /** What was left at the end of a drain's time. */
  void onCut(int connections) {
    metrics.cut(connections);
  }
}
