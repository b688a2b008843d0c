package io.ztunnel.metrics;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongSupplier;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The label sets under which some families counted something lately. Bounded in number; those that
 * were not used for a while are taken out at the next scrape.
 *
 * <p>Any thread. What is counted is counted within the map's own exclusion of its key, so that no
 * label set is taken out in between.
 *
 * @param <K> what a label set is made of
 */
final class RecentLabels<K> {
  /** A label set, and when it was used last; guarded by the map's exclusion of its key. */
  private static final class Use {
    final LabelSet labels;
    long nanos;

    Use(LabelSet labels) {
      this.labels = labels;
    }
  }

  private final SeriesBounds bounds;
  private final LongSupplier nanoTime;
  private final Function<K, LabelSet> make;
  private final UnaryOperator<K> unnamed;
  private final List<FamilySeries> families;
  private final Map<K, Use> uses = new ConcurrentHashMap<>();

  /**
   * None yet.
   *
   * @param nanoTime a clock as {@code System.nanoTime}
   * @param unnamed what is counted instead where there is no room for more
   * @param families those that are counted in
   */
  RecentLabels(
      MeshRegistry registry,
      SeriesBounds bounds,
      LongSupplier nanoTime,
      Function<K, LabelSet> make,
      UnaryOperator<K> unnamed,
      List<FamilySeries> families) {
    this.bounds = bounds;
    this.nanoTime = nanoTime;
    this.make = make;
    this.unnamed = unnamed;
    this.families = List.copyOf(families);
    if (!bounds.idle().isZero()) {
      registry.beforeScrape(this::expire);
    }
  }

  /** Counts something under the label set of this key, or without names. */
  void count(K key, Consumer<LabelSet> action) {
    // The size may be passed by a few when threads race; it is a bound on memory, not a count.
    boolean isNamed = uses.containsKey(key) || uses.size() < bounds.maxLabelSets();
    uses.compute(
        isNamed ? key : unnamed.apply(key),
        (counted, known) -> {
          Use use = known == null ? new Use(make.apply(counted)) : known;
          use.nanos = nanoTime.getAsLong();
          action.accept(use.labels);
          return use;
        });
  }

  /** Takes out what has not been used for long; it starts again at zero if it comes back. */
  private void expire() {
    long now = nanoTime.getAsLong();
    boolean any = false;
    for (K key : uses.keySet()) {
      any |= null == uses.computeIfPresent(key, (_, use) -> keptAt(now, use));
    }
    if (any) {
      families.forEach(FamilySeries::purge);
    }
  }

  private @Nullable Use keptAt(long now, Use use) {
    if (now - use.nanos < bounds.idle().toNanos()) {
      return use;
    }
    families.forEach(family -> family.remove(use.labels));
    return null;
  }
}
