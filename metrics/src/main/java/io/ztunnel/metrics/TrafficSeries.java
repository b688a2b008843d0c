package io.ztunnel.metrics;

import io.micrometer.core.instrument.Counter;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * The series that all connections with equal labels share. Looked up once per connection and then
 * kept by it; recording is one striped addition, from any thread.
 *
 * <p>The caller sees to it that a connection is opened and closed once.
 */
public final class TrafficSeries {
  /** The response flag of a connection that ended well. */
  public static final String NO_FLAG = "-";

  private final TrafficMetrics metrics;
  private final TrafficLabels labels;
  private final LabelSet unflagged;
  // Made at first use, so that a family without samples stays absent; any thread may be first, and
  // all get the same counter.
  private volatile @Nullable Counter received;
  private volatile @Nullable Counter sent;
  // By response flag; only those that a connection ended with.
  private final Map<String, LabelSet> flagged = new ConcurrentHashMap<>();
  private final AtomicInteger open = new AtomicInteger();
  // Written by whoever looks the series up and by the sweep, which takes out what rested since the
  // sweep before.
  private volatile boolean used = true;
  // When it was looked up last or a connection ended; written by any thread, read by the expiry.
  private volatile long usedNanos;

  TrafficSeries(TrafficMetrics metrics, TrafficLabels labels) {
    this.metrics = metrics;
    this.labels = labels;
    this.unflagged = labels.withResponseFlag(NO_FLAG);
    this.usedNanos = metrics.nanoTime();
  }

  /** The series was looked up. */
  void touch() {
    used = true;
    usedNanos = metrics.nanoTime();
  }

  /** Whether nothing is open and it has not been used for this long. */
  boolean hasExpired(long nowNanos, long idleNanos) {
    return open.get() == 0 && nowNanos - usedNanos >= idleNanos;
  }

  /** Whether nothing is open and nobody has asked since the last call. */
  boolean isQuiet() {
    boolean quiet = !used && open.get() == 0;
    used = false;
    return quiet;
  }

  /** Takes all that this has counted out of the families. */
  void remove() {
    metrics.remove(unflagged);
    flagged.values().forEach(metrics::remove);
  }

  /** The connection was opened. */
  public void opened() {
    open.incrementAndGet();
    metrics.opened.counter(unflagged).increment();
  }

  /** Bytes written toward the upstream. */
  public void received(long bytes) {
    Counter counter = received;
    if (counter == null) {
      counter = metrics.received.counter(unflagged);
      received = counter;
    }
    counter.increment((double) bytes);
  }

  /** Bytes written toward the downstream. */
  public void sent(long bytes) {
    Counter counter = sent;
    if (counter == null) {
      counter = metrics.sent.counter(unflagged);
      sent = counter;
    }
    counter.increment((double) bytes);
  }

  /** The connection ended; any flag but {@link #NO_FLAG} counts as failed. */
  public void closed(String responseFlag) {
    usedNanos = metrics.nanoTime(); // before it may be taken for idle
    if (responseFlag.equals(NO_FLAG)) {
      metrics.closed.counter(unflagged).increment();
    } else {
      LabelSet withFlag = flagged.computeIfAbsent(responseFlag, labels::withResponseFlag);
      metrics.closed.counter(withFlag).increment();
      metrics.failed.counter(withFlag).increment();
    }
    open.decrementAndGet(); // last: or the series might go before it is counted, and come anew
  }
}
