package io.ztunnel.bench.load;

import java.util.Arrays;
import java.util.Collection;

/** What the rounds of one measurement gave: the middle one, and how far the others lie apart. */
public record Spread(double median, double min, double max) {

  /**
   * The spread of values.
   *
   * @param values at least one; of an even number of values the median is the mean of the middle
   *     two
   */
  public static Spread of(Collection<Double> values) {
    if (values.isEmpty()) {
      throw new IllegalArgumentException("no values (expected: one or more)");
    }
    double[] sorted = values.stream().mapToDouble(Double::doubleValue).sorted().toArray();
    int middle = sorted.length / 2;
    double median =
        sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    return new Spread(median, sorted[0], sorted[sorted.length - 1]);
  }

  /** The spread of a[i] / b[i]: ratios are taken within a round, because rounds drift. */
  static Spread ofRatios(double[] numerators, double[] denominators) {
    if (numerators.length != denominators.length) {
      throw new IllegalArgumentException(
          numerators.length + " numerators, " + denominators.length + " denominators");
    }
    double[] ratios = new double[numerators.length];
    Arrays.setAll(ratios, i -> numerators[i] / denominators[i]);
    return of(Arrays.stream(ratios).boxed().toList());
  }
}
