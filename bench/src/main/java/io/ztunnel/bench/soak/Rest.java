package io.ztunnel.bench.soak;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.LiveObjects;
import io.ztunnel.bench.lab.ProcessUsage;
import io.ztunnel.bench.lab.Vitals;
import java.io.IOException;
import java.time.Duration;
import java.util.SortedMap;

/**
 * What a daemon holds when nobody uses it. Immutable.
 *
 * @param residentBytes of the process
 */
record Rest(Vitals vitals, LiveObjects objects, long residentBytes) {
  private static final Duration DEADLINE = Duration.ofSeconds(90);

  /** Waits until no gauge counts anything open any more; fails if that does not come in time. */
  static void awaitIdle(Daemon daemon) throws IOException {
    Vitals _ = Vitals.awaitIdle(daemon, DEADLINE);
  }

  /** What a daemon holds as soon as it is idle. */
  static Rest await(Daemon daemon) throws IOException {
    awaitIdle(daemon);
    LiveObjects objects = LiveObjects.of(daemon);
    return new Rest(
        Vitals.awaitIdle(daemon, DEADLINE), objects, ProcessUsage.residentBytes(daemon.pid()));
  }

  /** Descriptors of which there are more than at another rest, by kind, with both numbers. */
  SortedMap<String, String> descriptorsGrownSince(Rest before) {
    SortedMap<String, String> grown = vitals.grownSince(before.vitals);
    grown.keySet().removeIf(name -> !name.startsWith("fd "));
    return grown;
  }

  /** Of all kinds. */
  long descriptors() {
    return count("fd ");
  }

  long threads() {
    return count("thread ");
  }

  private long count(String kind) {
    return vitals.counts().entrySet().stream()
        .filter(entry -> entry.getKey().startsWith(kind))
        .mapToLong(entry -> entry.getValue())
        .sum();
  }
}
