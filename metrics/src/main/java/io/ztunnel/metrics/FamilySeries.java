package io.ztunnel.metrics;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Measurement;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.util.Collections;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.function.DoubleSupplier;
import java.util.stream.Stream;

/**
 * All series of one family. Written by any thread and read by any thread: the series sit in
 * concurrent collections, their values in the meters.
 */
final class FamilySeries {
  /** A part of the page. */
  interface Piece {
    /** Appends it. */
    void writeTo(Appendable out) throws IOException;
  }

  /** One series. Any thread; removed once. */
  private static final class Series {
    final LabelSet labels;
    final Meter meter;
    // Set by whoever removes it, read by those who print.
    volatile boolean removed;

    Series(LabelSet labels, Meter meter) {
      this.labels = labels;
      this.meter = meter;
    }

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
  private final Map<LabelSet, Series> series = new ConcurrentHashMap<>();
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
    return series.size();
  }

  LabelSet labels(String... values) {
    return new LabelSet(family.labels(), List.of(values));
  }

  /** The counter of these labels; the first call makes the series appear. */
  Counter counter(LabelSet labels) {
    Series known = series.get(labels);
    if (known == null) {
      known = series.computeIfAbsent(labels, l -> add(l, newCounter(l)));
    }
    return (Counter) known.meter;
  }

  /** A counter whose value is kept elsewhere and never falls. */
  void readCounter(LabelSet labels, DoubleSupplier value) {
    series.computeIfAbsent(
        labels,
        l ->
            add(
                l,
                // The store holds its object weakly: one that stays, not the supplier.
                FunctionCounter.builder(family.name(), this, _ -> value.getAsDouble())
                    .tags(l.tags())
                    .register(store)));
  }

  /** A gauge whose value is asked for at every scrape. */
  void readGauge(LabelSet labels, DoubleSupplier value) {
    series.computeIfAbsent(
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

  /**
   * Takes a series out of the output; counting under its labels again makes it appear from zero.
   * {@link #purge} follows after one or more of these.
   */
  void remove(LabelSet labels) {
    histograms.remove(labels);
    Series gone = series.remove(labels);
    if (gone != null) {
      gone.removed = true;
      store.remove(gone.meter);
    }
  }

  /** Lets go of what was removed. Passes over all series. */
  void purge() {
    inOrder.removeIf(one -> one.removed);
  }

  private Meter newCounter(LabelSet labels) {
    return Counter.builder(family.name()).tags(labels.tags()).register(store);
  }

  private Series add(LabelSet labels, Meter meter) {
    Series added = new Series(labels, meter);
    inOrder.add(added);
    return added;
  }

  /** The family in OpenMetrics form: its head, then its series; nothing if it has none yet. */
  Iterator<Piece> pieces() {
    if (series.isEmpty() && histograms.isEmpty()) {
      return Collections.emptyIterator();
    }
    Stream<Piece> head = Stream.of(this::writeHead);
    Stream<Piece> values =
        inOrder.stream().filter(one -> !one.removed).map(one -> out -> writeSample(one, out));
    Stream<Piece> distributions =
        histograms.entrySet().stream()
            .map(each -> out -> each.getValue().writeTo(out, family.name(), each.getKey()));
    return Stream.concat(head, Stream.concat(values, distributions)).iterator();
  }

  private void writeHead(Appendable out) throws IOException {
    var head = new StringBuilder();
    head.append("# HELP ").append(family.name()).append(' ');
    LabelSet.appendEscaped(head, family.help());
    head.append("\n# TYPE ").append(family.name()).append(' ').append(family.type().label);
    if (!family.unit().isEmpty()) {
      head.append("\n# UNIT ").append(family.name()).append(' ').append(family.unit());
    }
    out.append(head.append('\n'));
  }

  private void writeSample(Series one, Appendable out) throws IOException {
    out.append(family.name())
        .append(family.type().sampleSuffix)
        .append(one.labels.text())
        .append(' ')
        .append(number(one.value()))
        .append('\n');
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
