package io.ztunnel.bench.load;

/** What a figure has to reach. */
public sealed interface Target {
  boolean isMetBy(double value);

  /** More is better. */
  record AtLeast(double bound) implements Target {
    @Override
    public boolean isMetBy(double value) {
      return value >= bound;
    }
  }

  /** Less is better. */
  record AtMost(double bound) implements Target {
    @Override
    public boolean isMetBy(double value) {
      return value <= bound;
    }
  }
}
