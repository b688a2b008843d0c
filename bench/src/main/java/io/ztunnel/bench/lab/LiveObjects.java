package io.ztunnel.bench.lab;

import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What a full collection leaves in a daemon's heap, class by class. Immutable.
 *
 * @param bytesByClass of all its instances
 */
public record LiveObjects(Map<String, Long> bytesByClass) {
  private static final Duration DEADLINE = Duration.ofMinutes(1);

  /** Such as {@code " 1: 34177 4521376 [B (java.base@25.0.3)"}. */
  private static final Pattern LINE =
      Pattern.compile(" *\\d+: +\\d+ +(?<bytes>\\d+) +(?<name>\\S+).*");

  public LiveObjects {
    bytesByClass = Map.copyOf(bytesByClass);
  }

  /** Collects the garbage of a daemon, which also tells of buffers that nobody has released. */
  public static LiveObjects of(Daemon daemon) throws IOException {
    Lab.Output output =
        daemon
            .node()
            .exec(
                DEADLINE,
                Path.of(System.getProperty("java.home"), "bin", "jcmd").toString(),
                String.valueOf(daemon.pid()),
                "GC.class_histogram");
    if (output.exitStatus() != 0) {
      throw new IOException("jcmd: " + output.out() + output.err());
    }
    return parse(output.out());
  }

  static LiveObjects parse(String histogram) throws IOException {
    Map<String, Long> bytes = new HashMap<>();
    for (String line : histogram.lines().toList()) {
      Matcher matcher = LINE.matcher(line);
      if (matcher.matches()) {
        bytes.merge(matcher.group("name"), Long.valueOf(matcher.group("bytes")), Long::sum);
      }
    }
    if (bytes.isEmpty()) {
      throw new IOException("no class in \"%s\" (expected: a histogram)".formatted(histogram));
    }
    return new LiveObjects(bytes);
  }

  /** All of them. */
  public long bytes() {
    return bytesByClass.values().stream().mapToLong(Long::longValue).sum();
  }

  /** A class that takes more than before, by so many bytes. */
  public record Growth(String className, long bytes) {}

  /** The classes that take more than before, those that have grown most first. */
  public List<Growth> grownSince(LiveObjects before) {
    return bytesByClass.entrySet().stream()
        .map(
            entry ->
                new Growth(
                    entry.getKey(),
                    entry.getValue() - before.bytesByClass.getOrDefault(entry.getKey(), 0L)))
        .filter(growth -> growth.bytes() > 0)
        .sorted(Comparator.comparingLong(Growth::bytes).reversed())
        .toList();
  }
}
