package io.ztunnel.bench.scale;

import org.HdrHistogram.Histogram;

/**
 * How long new connections took, in milliseconds.
 *
 * @param failures those that gave no echo in time, which are in no other number
 */
record Latency(long connections, double p50, double p99, double worst, long failures) {
  private static final double MICROS_PER_MILLI = 1e3;

  static Latency of(Histogram micros, long failures) {
    return new Latency(
        micros.getTotalCount(),
        micros.getValueAtPercentile(50) / MICROS_PER_MILLI,
        micros.getValueAtPercentile(99) / MICROS_PER_MILLI,
        micros.getMaxValue() / MICROS_PER_MILLI,
        failures);
  }
}
