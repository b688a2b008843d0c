package io.ztunnel.redirection;

import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/** The open file descriptors of this process, to show that none is leaked. Immutable. */
final class Descriptors {
  private static final Path OPEN = Path.of("/proc/self/fd");

  private final Map<String, Integer> before = countByKind();

  private Descriptors() throws IOException {}

  static Descriptors now() throws IOException {
    return new Descriptors();
  }

  /** Fails if more sockets or more namespaces are open than before. */
  void assertNoneLeaked() throws IOException {
    Map<String, Integer> after = countByKind();
    boolean leaked =
        after.entrySet().stream()
            .anyMatch(kind -> kind.getValue() > before.getOrDefault(kind.getKey(), 0));
    assertFalse(leaked, () -> "open before: %s, after: %s".formatted(before, after));
  }

  /** Sockets and namespaces; files come and go with class loading. */
  private static Map<String, Integer> countByKind() throws IOException {
    Map<String, Integer> counts = new TreeMap<>();
    try (Stream<Path> descriptors = Files.list(OPEN)) {
      for (Path descriptor : descriptors.toList()) {
        String target = target(descriptor);
        if (target.startsWith("socket:") || target.startsWith("net:")) {
          counts.merge(target.substring(0, target.indexOf(':')), 1, Integer::sum);
        }
      }
    }
    return counts;
  }

  private static String target(Path descriptor) {
    try {
      return Files.readSymbolicLink(descriptor).toString();
    } catch (IOException e) {
      return ""; // closed since
    }
  }
}
