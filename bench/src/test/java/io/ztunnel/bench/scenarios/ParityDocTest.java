package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The document that says which test shows what names tests that exist. */
class ParityDocTest {
  private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
  private static final Pattern TEST =
      Pattern.compile("`([A-Z]\\w+(?:Test|IT))(?:#(\\w+))?`|`(bench/[\\w/-]+)`");

  @Test
  void everyTestItNamesIsThere() throws Exception {
    Map<String, String> sources = testSources();
    TreeSet<String> missing = new TreeSet<>();
    List<MatchResult> named =
        TEST.matcher(Files.readString(ROOT.resolve("docs/parity.md"))).results().toList();
    for (MatchResult test : named) {
      if (!isThere(test, sources)) {
        missing.add(test.group());
      }
    }
    assertTrue(named.size() > 100, () -> "only " + named.size() + " tests found in the document");
    assertEquals(new TreeSet<String>(), missing);
  }

  private static boolean isThere(MatchResult test, Map<String, String> sources) {
    if (test.group(3) != null) {
      return Files.exists(ROOT.resolve(test.group(3)));
    }
    String source = sources.getOrDefault(test.group(1), "");
    return test.group(2) == null
        ? !source.isEmpty()
        : source.contains("void " + test.group(2) + "(");
  }

  /** Every test class by its simple name. */
  private static Map<String, String> testSources() throws IOException {
    Map<String, String> sources = new HashMap<>();
    for (String module :
        List.of("bench", "hbone", "metrics", "redirection", "xds-client", "ztunnel-core")) {
      try (Stream<Path> files = Files.walk(ROOT.resolve(module).resolve("src/test/java"))) {
        for (Path file : files.filter(path -> path.toString().endsWith(".java")).toList()) {
          sources.merge(
              file.getFileName().toString().replace(".java", ""),
              Files.readString(file),
              String::concat);
        }
      }
    }
    return sources;
  }
}
