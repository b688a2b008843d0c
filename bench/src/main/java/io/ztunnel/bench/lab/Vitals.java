package io.ztunnel.bench.lab;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * How many of each thing a daemon holds: descriptors by kind, threads by name, and the gauges of
 * what is open. Immutable.
 */
public record Vitals(SortedMap<String, Long> counts) {
  /** The JVM starts and ends these as it likes. */
  private static final List<String> THREADS_OF_THE_JVM =
      List.of("C1 ", "C2 ", "Attach", "Signal", "Cleaner", "Common-Cleaner", "Notification");

  private static final List<String> GAUGES =
      List.of(
          "istio_tcp_sockets_open{", "ztunnel_tunnels_open{", "ztunnel_hbone_connections_open{");

  private static final Duration POLL = Duration.ofMillis(50);

  public static Vitals of(Daemon daemon) throws IOException {
    SortedMap<String, Long> counts = new TreeMap<>();
    daemon
        .metrics()
        .lines()
        .filter(line -> GAUGES.stream().anyMatch(line::startsWith))
        .forEach(line -> count(counts, line.substring(0, line.lastIndexOf(' ')), value(line)));
    Path process = Path.of("/proc/" + daemon.pid());
    try (Stream<Path> descriptors = Files.list(process.resolve("fd"))) {
      descriptors.forEach(descriptor -> count(counts, "fd " + kind(descriptor), 1));
    }
    try (Stream<Path> threads = Files.list(process.resolve("task"))) {
      threads
          .map(Vitals::threadName)
          .filter(name -> THREADS_OF_THE_JVM.stream().noneMatch(name::startsWith))
          .forEach(name -> count(counts, "thread " + name, 1));
    }
    return new Vitals(counts);
  }

  private static void count(Map<String, Long> counts, String name, long more) {
    counts.merge(name, more, Long::sum);
  }

  private static long value(String line) {
    return (long) Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1));
  }

  /** Sockets, namespaces, event queues; files come and go with class loading. */
  private static String kind(Path descriptor) {
    try {
      String target = Files.readSymbolicLink(descriptor).toString();
      int colon = target.indexOf(':');
      return colon < 0 ? "file" : target.substring(0, colon);
    } catch (IOException e) {
      return "file"; // closed since
    }
  }

  private static String threadName(Path task) {
    try {
      return Files.readString(task.resolve("comm")).strip();
    } catch (NoSuchFileException e) {
      return "Attach"; // ended since
    } catch (IOException e) {
      throw new IllegalStateException("cannot read a thread's name", e);
    }
  }

  /** What there is more of than before, with both numbers. */
  public SortedMap<String, String> grownSince(Vitals before) {
    SortedMap<String, String> grown = new TreeMap<>();
    counts.forEach(
        (name, now) -> {
          long then = before.counts.getOrDefault(name, 0L);
          if (now > then && !name.equals("fd file")) {
            grown.put(name, then + " -> " + now);
          }
        });
    return grown;
  }

  /** Whether nothing is open but what a daemon without traffic has. */
  private boolean isIdle() {
    return counts.entrySet().stream()
        .filter(entry -> GAUGES.stream().anyMatch(entry.getKey()::startsWith))
        .allMatch(entry -> entry.getValue() == 0);
  }

  /** Waits for a moment without any traffic; fails if none comes in time. */
  public static Vitals awaitIdle(Daemon daemon, Duration deadline) throws IOException {
    long end = System.nanoTime() + deadline.toNanos();
    while (true) {
      Vitals now = of(daemon);
      if (now.isIdle()) {
        return now;
      }
      if (System.nanoTime() > end) {
        throw new IOException(daemon.name() + " does not become idle: " + now.counts);
      }
      Pause.of(POLL);
    }
  }

  /** Waits until there is no more of anything than before; fails if that does not come in time. */
  public static void awaitNothingLeft(Daemon daemon, Vitals before, Duration deadline)
      throws IOException {
    long end = System.nanoTime() + deadline.toNanos();
    while (true) {
      SortedMap<String, String> grown = of(daemon).grownSince(before);
      if (grown.isEmpty()) {
        return;
      }
      if (System.nanoTime() > end) {
        throw new IOException(daemon.name() + " has left behind: " + grown);
      }
      Pause.of(POLL);
    }
  }
}
