package io.ztunnel.metrics;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Measurement;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.function.DoubleSupplier;

/**
 * All series of one family. Written by any thread and read by any thread: the series sit in
 * concurrent collections, their values in the meters.
 */
final class FamilySeries {
  private record Series(LabelSet labels, Meter meter) {
    double value() {
      double value = Double.NaN;
      for (Measurement measurement : meter.measure()) {
        value = measurement.getValue();
      }
      return value;
    }
  }

  private final MetricFamily family;
  private final MeterRegistry store;
  private final Map<LabelSet, Meter> meters = new ConcurrentHashMap<>();
  private final Map<LabelSet, Histogram> histograms =
      new ConcurrentSkipListMap<>(Comparator.comparing(LabelSet::text));
  // In order of first use, so that two scrapes print the series in the same order.
  private final ConcurrentLinkedQueue<Series> inOrder = new ConcurrentLinkedQueue<>();

  FamilySeries(MetricFamily family, MeterRegistry store) {
    this.family = family;
    this.store = store;
  }

  MetricFamily family() {
    return family;
  }

  int size() {
    return meters.size();
  }

  LabelSet labels(String... values) {
    return new LabelSet(family.labels(), List.of(values));
  }

  /** The counter of these labels; the first call makes the series appear. */
  Counter counter(LabelSet labels) {
    Meter known = meters.get(labels);
    if (known == null) {
      known = meters.computeIfAbsent(labels, l -> add(l, newCounter(l)));
    }
    return (Counter) known;
  }

  /** A counter whose value is kept elsewhere and never falls. */
  void readCounter(LabelSet labels, DoubleSupplier value) {
    meters.computeIfAbsent(
        labels,
        l ->
            add(
                l,
                FunctionCounter.builder(family.name(), value, DoubleSupplier::getAsDouble)
                    .tags(l.tags())
                    .register(store)));
  }

  /** A gauge whose value is asked for at every scrape. */
  void readGauge(LabelSet labels, DoubleSupplier value) {
    meters.computeIfAbsent(
        labels,
        l ->
            add(
                l,
                Gauge.builder(family.name(), value::getAsDouble)
                    .strongReference(true)
                    .tags(l.tags())
                    .register(store)));
  }

  /** The histogram of these labels; the first call makes the series appear. */
  Histogram histogram(LabelSet labels, List<String> bounds) {
    Histogram known = histograms.get(labels);
    return known != null ? known : histograms.computeIfAbsent(labels, _ -> new Histogram(bounds));
  }

  /** Takes these series out of the output; counting them again makes them appear from zero. */
  void remove(Set<LabelSet> labels) {
    inOrder.removeIf(series -> labels.contains(series.labels()));
    for (LabelSet gone : labels) {
      Meter meter = meters.remove(gone);
      if (meter != null) {
        store.remove(meter);
      }
    }
  }

  private Meter newCounter(LabelSet labels) {
    return Counter.builder(family.name()).tags(labels.tags()).register(store);
  }

  private Meter add(LabelSet labels, Meter meter) {
    inOrder.add(new Series(labels, meter));
    return meter;
  }

  /** Appends the family in OpenMetrics form; nothing if it has no series yet. */
  void writeTo(Appendable out) throws IOException {
    if (inOrder.isEmpty() && histograms.isEmpty()) {
      return;
    }
    var head = new StringBuilder();
    head.append("# HELP ").append(family.name()).append(' ');
    LabelSet.appendEscaped(head, family.help());
    head.append("\n# TYPE ").append(family.name()).append(' ').append(family.type().label);
    if (!family.unit().isEmpty()) {
      head.append("\n# UNIT ").append(family.name()).append(' ').append(family.unit());
    }
    out.append(head.append('\n'));
    for (Series series : inOrder) {
      out.append(family.name())
          .append(family.type().sampleSuffix)
          .append(series.labels().text())
          .append(' ')
          .append(number(series.value()))
          .append('\n');
    }
    for (Map.Entry<LabelSet, Histogram> series : histograms.entrySet()) {
      series.getValue().writeTo(out, family.name(), series.getKey());
    }
  }

  /** Whole numbers without a fraction, as counters of things are read. */
  static String number(double value) {
    if (value == Math.rint(value) && Math.abs(value) < 1e15) {
      return Long.toString((long) value);
    }
    if (Double.isInfinite(value)) {
      return value > 0 ? "+Inf" : "-Inf";
    }
    return Double.toString(value);
  }
}
