package io.ztunnel.routing;

import io.ztunnel.mesh.Workload;
import java.util.EnumMap;
import java.util.Map;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * A draw among workloads that come one by one, each with its chance by capacity: one of the best
 * rank of the best tier that there is. Confined to the thread that chooses.
 */
final class TieredDraw {
  private final RandomGenerator random;
  private final Map<Tier, Draw> draws = new EnumMap<>(Tier.class);

  TieredDraw(RandomGenerator random) {
    this.random = random;
  }

  /** One without capacity does not count. */
  void offer(Workload workload, int rank, Tier tier) {
    if (workload.capacity() > 0) {
      draws.computeIfAbsent(tier, _ -> new Draw(random)).offer(workload, rank);
    }
  }

  /** The workload drawn; null: there was none. */
  @Nullable Workload drawn() {
    return draws.isEmpty() ? null : draws.values().iterator().next().drawn;
  }

  /** How many have been offered. */
  int candidates() {
    return draws.values().stream().mapToInt(draw -> draw.candidates).sum();
  }

  int candidates(Tier tier) {
    Draw draw = draws.get(tier);
    return draw == null ? 0 : draw.candidates;
  }

  /** How many could be tried if the one drawn failed. */
  int others() {
    return Math.max(candidates(Tier.USABLE) + candidates(Tier.ASIDE) - 1, 0);
  }

  /** A draw in one tier. A better rank begins it anew. */
  private static final class Draw {
    private final RandomGenerator random;
    private int candidates;
    private int bestRank = -1;
    private long total;
    private @Nullable Workload drawn;

    Draw(RandomGenerator random) {
      this.random = random;
    }

    void offer(Workload workload, int rank) {
      candidates++;
      if (rank < bestRank) {
        return;
      }
      if (rank > bestRank) {
        bestRank = rank;
        total = 0;
      }
      total += workload.capacity();
      // Each has drawn with its share of the total in the end: the first always, the next if the
      // draw falls into what it adds.
      if (total == workload.capacity() || random.nextLong(total) < workload.capacity()) {
        drawn = workload;
      }
    }
  }
}
