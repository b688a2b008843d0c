package io.ztunnel.metrics;

import java.time.Duration;

/**
 * How many series are kept of what comes and goes, and for how long. Immutable.
 *
 * @param maxLabelSets the most sets of labels; beyond it connections are counted without names
 * @param idle how long a series without an open connection stays in the output after its last use;
 *     zero: as long as there is room
 */
public record SeriesBounds(int maxLabelSets, Duration idle) {
  /** About 4 KiB each; pods come and go for the life of a node, and leave their names in labels. */
  public static final SeriesBounds DEFAULT = new SeriesBounds(5_000, Duration.ofHours(1));

  public SeriesBounds {
    if (maxLabelSets < 1) {
      throw new IllegalArgumentException("maxLabelSets: " + maxLabelSets + " (expected: >= 1)");
    }
    if (idle.isNegative()) {
      throw new IllegalArgumentException("idle: " + idle + " (expected: not negative)");
    }
  }
}
