package io.ztunnel.metrics;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.atomic.DoubleAdder;
import java.util.concurrent.atomic.LongAdder;

/**
 * How often values fell below each of some bounds. Written by any thread, read by any thread; a
 * reader may see a value in the buckets a moment before it is in the sum.
 */
final class Histogram {
  private final List<String> labels;
  private final double[] bounds;
  private final LongAdder[] counts;
  private final DoubleAdder sum = new DoubleAdder();

  /**
   * @param bounds numbers as they are printed, ascending; there is one more bucket above the last
   */
  Histogram(List<String> bounds) {
    this.labels = List.copyOf(bounds);
    this.bounds = bounds.stream().mapToDouble(Double::parseDouble).toArray();
    this.counts = new LongAdder[bounds.size() + 1];
    for (int i = 0; i < counts.length; i++) {
      counts[i] = new LongAdder();
    }
  }

  void record(double value) {
    int bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]) {
      bucket++;
    }
    counts[bucket].increment();
    sum.add(value);
  }

  /** Appends the samples in OpenMetrics form: sum, count, and the buckets from the first up. */
  void writeTo(Appendable out, String name, LabelSet series) throws IOException {
    long[] upTo = new long[counts.length];
    long total = 0;
    for (int i = 0; i < counts.length; i++) {
      total += counts[i].sum();
      upTo[i] = total;
    }
    sample(out, name + "_sum", series.text(), FamilySeries.number(sum.sum()));
    sample(out, name + "_count", series.text(), Long.toString(total));
    for (int i = 0; i < upTo.length; i++) {
      String bound = i < labels.size() ? labels.get(i) : "+Inf";
      sample(out, name + "_bucket", series.textWith("le", bound), Long.toString(upTo[i]));
    }
  }

  private static void sample(Appendable out, String name, String series, String value)
      throws IOException {
    out.append(name).append(series).append(' ').append(value).append('\n');
  }
}
