package io.ztunnel.telemetry;

import io.netty.util.concurrent.EventExecutor;
import io.ztunnel.metrics.TrafficMetrics;
import io.ztunnel.metrics.TrafficSeries;
import java.util.function.LongSupplier;

/**
 * One open connection: counts its bytes, and reports its end once. Confined to the connection's
 * event loop.
 */
public final class ConnectionObserver {
  private static final long NANOS_PER_MILLI = 1_000_000;

  private final TrafficMetrics metrics;
  private final TrafficSeries series;
  private final ConnectionFacts facts;
  private final long beganNanos;
  private final LongSupplier nanoTime;
  private final EventExecutor loop;
  private long bytesToUpstream;
  private long bytesToDownstream;
  private boolean ended;

  ConnectionObserver(
      TrafficMetrics metrics,
      ConnectionFacts facts,
      long beganNanos,
      EventExecutor loop,
      LongSupplier nanoTime) {
    this.metrics = metrics;
    this.series = metrics.series(facts.labels());
    this.facts = facts;
    this.beganNanos = beganNanos;
    this.loop = loop;
    this.nanoTime = nanoTime;
    assert loop.inEventLoop();
    series.opened();
  }

  /** Bytes were written toward the upstream. */
  public void toUpstream(long bytes) {
    assert loop.inEventLoop();
    bytesToUpstream += bytes;
    series.received(bytes);
  }

  /** Bytes were written toward the downstream. */
  public void toDownstream(long bytes) {
    assert loop.inEventLoop();
    bytesToDownstream += bytes;
    series.sent(bytes);
  }

  /** The connection ended well. After the first end nothing more is reported. */
  public void closed() {
    if (!end()) {
      return;
    }
    series.closed(TrafficSeries.NO_FLAG);
    AccessLog.complete(facts, bytesToUpstream, bytesToDownstream, millis());
  }

  /**
   * The connection ended badly. After the first end nothing more is reported: a policy or a drain
   * may cut a connection in the same turn of the loop in which it ends by itself.
   */
  public void failed(ConnectionFailure failure) {
    if (!end()) {
      return;
    }
    series.closed(failure.responseFlag());
    metrics.connectionFailed(facts.labels().reporter(), failure.reason());
    AccessLog.failed(facts, bytesToUpstream, bytesToDownstream, millis(), failure);
  }

  private boolean end() {
    assert loop.inEventLoop();
    boolean first = !ended;
    ended = true;
    return first;
  }

  private long millis() {
    return Math.max(0, nanoTime.getAsLong() - beganNanos) / NANOS_PER_MILLI;
  }

  @Override
  public String toString() {
    return facts.source() + " -> " + facts.destination();
  }
}
