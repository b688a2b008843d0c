package io.ztunnel.metrics;

import java.util.List;
import java.util.regex.Pattern;

/**
 * The declaration of one metric: what the HELP, TYPE and UNIT lines say, and the labels in the
 * order in which they are printed.
 *
 * @param name the base name, for a counter without {@code _total}
 * @param unit the unit, or empty; if there is one, the name ends with it
 */
record MetricFamily(
    Section section, String name, Type type, String help, String unit, List<String> labels) {
  /** Blocks of the output, in their order. */
  enum Section {
    PROCESS,
    RUNTIME,
    ISTIO,
    WORKLOAD_MANAGER
  }

  /** How the value behaves over time. */
  enum Type {
    COUNTER("counter", "_total"),
    GAUGE("gauge", ""),
    HISTOGRAM("histogram", "");

    final String label;
    final String sampleSuffix;

    Type(String label, String sampleSuffix) {
      this.label = label;
      this.sampleSuffix = sampleSuffix;
    }
  }

  private static final Pattern NAME = Pattern.compile("[a-zA-Z_][a-zA-Z0-9_]*");

  MetricFamily {
    labels = List.copyOf(labels);
    requireName(name);
    labels.forEach(MetricFamily::requireName);
    if (name.endsWith("_total")) {
      throw new IllegalArgumentException("name: " + name + " (expected: without _total)");
    }
    if (!unit.isEmpty() && !name.endsWith("_" + unit)) {
      throw new IllegalArgumentException(
          "name: " + name + " (expected: to end with _" + unit + ")");
    }
    if (help.isEmpty()) {
      throw new IllegalArgumentException("help of " + name + ": empty (expected: a sentence)");
    }
  }

  static MetricFamily counter(Section section, String name, String help, String... labels) {
    return new MetricFamily(section, name, Type.COUNTER, help, "", List.of(labels));
  }

  static MetricFamily gauge(Section section, String name, String help, String... labels) {
    return new MetricFamily(section, name, Type.GAUGE, help, "", List.of(labels));
  }

  private static void requireName(String name) {
    if (!NAME.matcher(name).matches()) {
      throw new IllegalArgumentException("name: " + name + " (expected: " + NAME + ")");
    }
  }
}
