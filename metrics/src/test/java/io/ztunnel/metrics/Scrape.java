package io.ztunnel.metrics;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The parsed text of one scrape: families in order, each with its samples. */
record Scrape(Map<String, Family> families) {
  record Family(String help, String type, String unit, List<Sample> samples) {}

  record Sample(String name, Map<String, String> labels, double value) {}

  private static final Pattern SAMPLE = Pattern.compile("([a-zA-Z0-9_]+)(?:\\{(.*)})? (\\S+)");
  private static final Pattern LABEL =
      Pattern.compile("([a-zA-Z0-9_]+)=\"((?:[^\"\\\\]|\\\\.)*)\"(,|$)");

  static Scrape of(MeshRegistry registry) throws Exception {
    return parse(text(registry));
  }

  /** The page as it is sent. */
  static String text(MeshRegistry registry) throws IOException {
    var out = new StringBuilder();
    MetricsPage page = registry.page();
    boolean more = true;
    while (more) {
      more = page.writeNext(out);
    }
    return out.toString();
  }

  static Scrape parse(String text) {
    if (!text.endsWith("# EOF\n")) {
      throw new AssertionError("no # EOF at the end: " + text);
    }
    var families = new LinkedHashMap<String, Family>();
    String name = "";
    for (String line : text.lines().toList()) {
      String[] words = line.split(" ", 4);
      if (line.startsWith("# HELP ")) {
        name = words[2];
        families.put(name, new Family(words[3], "", "", new ArrayList<>()));
      } else if (line.startsWith("# TYPE ") || line.startsWith("# UNIT ")) {
        Family old = known(families, name);
        families.put(
            name,
            line.startsWith("# TYPE ")
                ? new Family(old.help(), words[3], old.unit(), old.samples())
                : new Family(old.help(), old.type(), words[3], old.samples()));
      } else if (!line.equals("# EOF")) {
        known(families, name).samples().add(sample(line));
      }
    }
    return new Scrape(families);
  }

  private static Family known(Map<String, Family> families, String name) {
    Family family = families.get(name);
    if (family == null) {
      throw new AssertionError("no family " + name + " among " + families.keySet());
    }
    return family;
  }

  Family family(String name) {
    return known(families, name);
  }

  private static Sample sample(String line) {
    Matcher sample = SAMPLE.matcher(line);
    if (!sample.matches()) {
      throw new AssertionError("no sample: " + line);
    }
    var labels = new LinkedHashMap<String, String>();
    if (sample.group(2) != null) {
      Matcher label = LABEL.matcher(sample.group(2));
      int end = 0;
      while (label.find() && label.start() == end) {
        labels.put(label.group(1), label.group(2));
        end = label.end();
      }
      if (end != sample.group(2).length()) {
        throw new AssertionError("malformed labels: " + line);
      }
    }
    String value = sample.group(3).replace("+Inf", "Infinity");
    return new Sample(sample.group(1), labels, Double.parseDouble(value));
  }

  double value(String sampleName, Map<String, String> labels) {
    return families.values().stream()
        .flatMap(f -> f.samples().stream())
        .filter(s -> s.name().equals(sampleName))
        .filter(s -> s.labels().entrySet().containsAll(labels.entrySet()))
        .mapToDouble(Sample::value)
        .sum();
  }
}
