package io.ztunnel.app;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.AbstractMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** {@code docs/configuration.md} and the code say the same. */
class ConfigurationDocTest {
  private static final Path DOC = Path.of("../docs/configuration.md");
  private static final Pattern ROW =
      Pattern.compile("\\| `([A-Z0-9_<>a-z]+)` \\| (.*?) \\| .* \\|");
  // Read by the log, before the configuration, by the version text, and by the launcher.
  private static final Set<String> READ_ELSEWHERE =
      Set.of("RUST_LOG", "LOG_FORMAT", "ISTIO_META_ISTIO_VERSION", "ZTUNNEL_MAX_HEAP");

  /** An environment that notes what it is asked for. */
  private static final class Recording extends AbstractMap<String, String> {
    final Set<String> asked = new TreeSet<>();
    private final Map<String, String> values;

    Recording(Map<String, String> values) {
      this.values = values;
    }

    @Override
    public @Nullable String get(Object name) {
      asked.add((String) name);
      return values.get(name);
    }

    @Override
    public Set<Entry<String, String>> entrySet() {
      return values.entrySet();
    }
  }

  /** Name to default as the tables have it. */
  static Map<String, String> documented() throws IOException {
    var rows = new TreeMap<String, String>();
    for (String line : Files.readAllLines(DOC)) {
      Matcher row = ROW.matcher(line);
      if (row.matches()) {
        rows.put(row.group(1), row.group(2));
      }
    }
    return rows;
  }

  @Test
  void everyVariableThatIsReadIsInTheTableAndNoOther() throws IOException {
    var asked = new TreeSet<>(READ_ELSEWHERE);
    for (Map<String, String> variables :
        List.of(
            Map.<String, String>of(),
            Map.of("PROXY_MODE", "dedicated", "PROXY_WORKLOAD_INFO", "a/b/c"),
            Map.of(
                "PROXY_MODE",
                "gateway",
                "POD_NAME",
                "a",
                "POD_NAMESPACE",
                "b",
                "SERVICE_ACCOUNT",
                "c"))) {
      var recording = new Recording(variables);
      Config.from(recording, List.of(), new FakeHost(2));
      asked.addAll(recording.asked);
    }
    var names = new TreeSet<>(documented().keySet());
    names.removeIf(name -> name.contains("<")); // prefixes
    assertEquals(asked, names);
  }

  @Test
  void thePrefixesAreInTheTable() throws IOException {
    assertEquals(
        Set.of("XDS_HEADER_<h>", "CA_HEADER_<h>", "ISTIO_META_<k>", "ISTIO_METAJSON_<k>"),
        new TreeSet<>(documented().keySet().stream().filter(n -> n.contains("<")).toList()));
  }

  @Test
  void settingAVariableToItsDocumentedDefaultChangesNothing() throws IOException {
    Config unset = Config.from(Map.of(), List.of(), new FakeHost(2));
    int checked = 0;
    for (var row : documented().entrySet()) {
      Matcher literal = Pattern.compile("`([^`]*)`").matcher(row.getValue());
      if (READ_ELSEWHERE.contains(row.getKey()) || !literal.matches()) {
        continue; // the default is described in words
      }
      var variables = new HashMap<String, String>();
      variables.put(row.getKey(), literal.group(1));
      assertEquals(unset, Config.from(variables, List.of(), new FakeHost(2)), row.getKey());
      checked++;
    }
    assertFalse(checked < 30, "literal defaults checked: " + checked);
  }

  /** Variables, metrics and reasons, as far as they are ours. */
  @Test
  void thePageAboutClustersNamesOnlyWhatThereIs() throws IOException {
    String page = Files.readString(Path.of("../docs/multicluster.md"));
    String metrics = Files.readString(Path.of("../docs/metrics.md"));
    var unknown = new TreeSet<String>();
    int checked = 0;
    Matcher variable = Pattern.compile("(?:ISTIO_META)?[A-Z0-9]+(?:_[A-Z0-9]+)+").matcher(page);
    while (variable.find()) {
      checked++;
      if (!documented().containsKey(variable.group())
          && !variable.group().startsWith("ISTIO_META_")
          && !variable.group().equals("AMBIENT_ENABLE_MULTI_NETWORK")) { // istiod's
        unknown.add(variable.group());
      }
    }
    Matcher name = Pattern.compile("`(ztunnel_[a-z_]+|[a-z0-9]+_[a-z_]+)`").matcher(page);
    while (name.find()) {
      checked++;
      if (!metrics.contains("| `" + name.group(1) + "` |")) {
        unknown.add(name.group(1));
      }
    }
    assertEquals(Set.of(), unknown);
    assertFalse(checked < 20, "names checked: " + checked);
  }
}
