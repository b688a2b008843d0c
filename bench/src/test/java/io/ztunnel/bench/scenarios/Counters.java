package io.ztunnel.bench.scenarios;

import io.ztunnel.bench.lab.Daemon;
import java.io.IOException;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/** The samples of a daemon's metrics at a moment. */
final class Counters {
  private final Daemon daemon;
  private final Map<String, Double> samples;

  private Counters(Daemon daemon) throws IOException {
    this.daemon = daemon;
    this.samples = read(daemon);
  }

  static Counters of(Daemon daemon) throws IOException {
    return new Counters(daemon);
  }

  static Map<String, Double> read(Daemon daemon) throws IOException {
    Map<String, Double> samples = new TreeMap<>();
    daemon
        .metrics()
        .lines()
        .filter(line -> !line.startsWith("#"))
        .forEach(
            line -> {
              int blank = line.lastIndexOf(' ');
              samples.put(line.substring(0, blank), Double.valueOf(line.substring(blank + 1)));
            });
    return samples;
  }

  /** By how much the samples with this prefix have grown since, those that have not left out. */
  Map<String, Double> growth(String prefix) throws IOException {
    Map<String, Double> growth = new TreeMap<>();
    read(daemon)
        .forEach(
            (sample, value) -> {
              double more = value - samples.getOrDefault(sample, 0.0);
              if (sample.startsWith(prefix) && more != 0) {
                growth.put(sample, more);
              }
            });
    return growth;
  }

  /**
   * By how much a counter has grown since over all series that have these labels, each written as
   * in {@code reporter="source"}.
   */
  double growth(String counter, String... labels) throws IOException {
    return sum(growth(counter), counter, labels);
  }

  /**
   * By how much the connections have grown since that were refused or cut because the peer's
   * certificate is revoked.
   *
   * @param reporter which end this daemon was
   */
  double revocations(String reporter) throws IOException {
    return growth("istio_crl_policy_rejections_total", "reporter=\"" + reporter + "\"");
  }

  /** The sum of a counter over all series that have these labels. */
  static double sum(Map<String, Double> samples, String counter, String... labels) {
    return samples.entrySet().stream()
        .filter(sample -> sample.getKey().startsWith(counter))
        .filter(sample -> Stream.of(labels).allMatch(sample.getKey()::contains))
        .mapToDouble(Map.Entry::getValue)
        .sum();
  }
}
