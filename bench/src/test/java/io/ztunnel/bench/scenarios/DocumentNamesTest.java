package io.ztunnel.bench.scenarios;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Documents name types, members and settings of the JVM that there are. */
class DocumentNamesTest {
  private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();

  /** Two humps at least, so that words at the beginning of a sentence are none. */
  private static final Pattern NAME =
      Pattern.compile("`([A-Z][a-z]+(?:[A-Z][a-z0-9]*)+)(?:[.#]([a-z]\\w+))?`");

  /** A test that a command runs. */
  private static final Pattern RUN = Pattern.compile("-D(?:it\\.)?test=(\\w+)");

  /** What a comment says may be as old as the document. */
  private static final Pattern COMMENT = Pattern.compile("(?s)/\\*.*?\\*/|(?m)//.*?$");

  private static final Pattern WORD = Pattern.compile("\\b[A-Za-z]\\w+\\b");

  /** The words of all sources. */
  private static final Set<String> KNOWN = new HashSet<>();

  @BeforeAll
  static void readSources() throws IOException {
    try (Stream<Path> files = Files.walk(ROOT)) {
      for (Path file : files.filter(DocumentNamesTest::isSource).toList()) {
        String code = COMMENT.matcher(Files.readString(file)).replaceAll("");
        WORD.matcher(code).results().forEach(word -> KNOWN.add(word.group()));
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "ARCHITECTURE.md, 50",
    "docs/decisions.md, 25",
    "bench/README.md, 8",
    "CONTRIBUTING.md, 1"
  })
  void everyNameIsThatOfSomething(String document, int least) throws IOException {
    TreeSet<String> unknown = new TreeSet<>();
    List<String[]> named =
        NAME.matcher(Files.readString(ROOT.resolve(document)))
            .results()
            .map(name -> new String[] {name.group(1), name.group(2)})
            .toList();
    for (String[] name : named) {
      if (!KNOWN.contains(name[0]) || (name[1] != null && !KNOWN.contains(name[1]))) {
        unknown.add(name[1] == null ? name[0] : name[0] + "." + name[1]);
      }
    }
    assertTrue(named.size() >= least, () -> "names found: " + named.size());
    assertEquals(new TreeSet<String>(), unknown);
  }

  /** Maven is told to pass where there is no such test, so that nobody would notice. */
  @Test
  void everyTestThatACommandRunsIsThere() throws IOException {
    List<String> tests =
        RUN.matcher(Files.readString(ROOT.resolve("CONTRIBUTING.md")))
            .results()
            .map(run -> run.group(1))
            .toList();
    assertFalse(tests.isEmpty());
    assertEquals(List.of(), tests.stream().filter(test -> !KNOWN.contains(test)).toList());
  }

  private static boolean isSource(Path file) {
    Path path = ROOT.relativize(file);
    return !path.toString().contains("target/")
        && (path.toString().endsWith(".java")
            || path.endsWith("jvm.options")
            || path.endsWith("pom.xml"));
  }
}
