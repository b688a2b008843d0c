package io.ztunnel.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.ztunnel.metrics.MetricFamily.Section;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MeshRegistryTest {
  private final MeshRegistry registry = new MeshRegistry();

  @AfterEach
  void close() {
    registry.close();
  }

  private String text() throws Exception {
    return Scrape.text(registry);
  }

  @Test
  void aSeriesThatComesBackBeforeTheFormerIsLetGoIsPrintedOnce() throws Exception {
    FamilySeries family =
        registry.declare(MetricFamily.counter(Section.ISTIO, "again", "Comes back.", "a"));
    LabelSet labels = family.labels("x");
    family.counter(labels).increment(7);
    family.remove(labels);
    assertEquals("# EOF\n", text());
    family.counter(labels).increment();
    assertEquals(
        List.of("again_total{a=\"x\"} 1"),
        text().lines().filter(line -> !line.startsWith("#")).toList());
  }

  @Test
  void anEmptyRegistryPrintsOnlyTheEnd() throws Exception {
    registry.declare(MetricFamily.counter(Section.ISTIO, "unused", "Never counted.", "a"));
    assertEquals("# EOF\n", text());
  }

  @Test
  void printsHelpTypeUnitThenSamplesInOrderOfFirstUse() throws Exception {
    FamilySeries bytes =
        registry.declare(
            new MetricFamily(
                Section.ISTIO,
                "x_bytes",
                MetricFamily.Type.COUNTER,
                "Bytes.",
                "bytes",
                List.of("url")));
    bytes.counter(bytes.labels("z")).increment(3);
    bytes.counter(bytes.labels("a")).increment(4);
    bytes.counter(bytes.labels("z")).increment(2);
    assertEquals(
        """
        # HELP x_bytes Bytes.
        # TYPE x_bytes counter
        # UNIT x_bytes bytes
        x_bytes_total{url="z"} 5
        x_bytes_total{url="a"} 4
        # EOF
        """,
        text());
  }

  @Test
  void sectionsComeInTheirOrderWhateverTheOrderOfDeclaration() throws Exception {
    for (Section section :
        List.of(Section.WORKLOAD_MANAGER, Section.ISTIO, Section.PROCESS, Section.RUNTIME)) {
      for (String suffix : List.of("_b", "_a")) {
        registry
            .declare(MetricFamily.gauge(section, section + suffix, "Some."))
            .readGauge(LabelSet.NONE, () -> 1);
      }
    }
    assertEquals(
        List.of(
            "PROCESS_b",
            "PROCESS_a",
            "RUNTIME_b",
            "RUNTIME_a",
            "ISTIO_b",
            "ISTIO_a",
            "WORKLOAD_MANAGER_b",
            "WORKLOAD_MANAGER_a"),
        List.copyOf(Scrape.of(registry).families().keySet()));
  }

  @Test
  void escapesLabelValuesAndHelp() throws Exception {
    FamilySeries family =
        registry.declare(MetricFamily.gauge(Section.ISTIO, "g", "One\\two\n\"three\"", "l"));
    family.readGauge(family.labels("a\\b\"c\nd"), () -> 1);
    assertEquals(
        "# HELP g One\\\\two\\n\\\"three\\\"\n# TYPE g gauge\ng{l=\"a\\\\b\\\"c\\nd\"} 1\n# EOF\n",
        text());
  }

  @Test
  void emptyLabelValuesPrintUnknown() {
    assertEquals(
        "{a=\"unknown\",b=\"x\"}", new LabelSet(List.of("a", "b"), List.of("", "x")).text());
  }

  @Test
  void twoFamiliesOfOneNameAreRefused() {
    registry.declare(MetricFamily.gauge(Section.ISTIO, "twice", "Once."));
    assertThrows(
        IllegalStateException.class,
        () -> registry.declare(MetricFamily.gauge(Section.RUNTIME, "twice", "Again.")));
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0",
    "-3, -3",
    "9007199254740, 9007199254740",
    "0.004182308, 0.004182308",
    "Infinity, +Inf",
    "-Infinity, -Inf",
    "NaN, NaN",
  })
  void numbersPrintAsReadersExpect(double value, String text) {
    assertEquals(text, FamilySeries.number(value));
  }
}
