package io.ztunnel.metrics;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.util.ArrayList;
import java.util.List;

/**
 * The one registry of the process. Values live in Micrometer meters; what is printed, and in which
 * order, is declared by families, because the order of labels and families is part of what the
 * operators' dashboards were built on (Istio ztunnel, stats server).
 *
 * <p>Families are declared at start; any thread records; any thread may scrape at any time and sees
 * each value whole.
 */
public final class MeshRegistry implements AutoCloseable {
  private final SimpleMeterRegistry store = new SimpleMeterRegistry();
  private final Object declaring = new Object();
  // Replaced under the lock above, read by every scrape.
  private volatile List<FamilySeries> families = List.of();
  // Replaced under the same lock, read by every scrape.
  private volatile List<Runnable> chores = List.of();

  /** Adds a family behind those of its section; two families of one name are a bug. */
  FamilySeries declare(MetricFamily family) {
    synchronized (declaring) {
      var next = new ArrayList<>(families);
      if (next.stream().anyMatch(f -> f.family().name().equals(family.name()))) {
        throw new IllegalStateException("declared twice: " + family.name());
      }
      int place = next.size();
      while (place > 0 && next.get(place - 1).family().section().compareTo(family.section()) > 0) {
        place--;
      }
      var series = new FamilySeries(family, store);
      next.add(place, series);
      families = List.copyOf(next);
      return series;
    }
  }

  /** Does this before each scrape, on the thread that scrapes. */
  void beforeScrape(Runnable chore) {
    synchronized (declaring) {
      var next = new ArrayList<>(chores);
      next.add(chore);
      chores = List.copyOf(next);
    }
  }

  /**
   * All families that have a sample, in their order, up to {@code # EOF}. Costs a pass over all
   * series; not for an event loop that moves data.
   */
  public MetricsPage page() {
    chores.forEach(Runnable::run);
    return new MetricsPage(families);
  }

  @Override
  public void close() {
    store.close();
  }
}
