package io.ztunnel.telemetry;

import io.netty.util.concurrent.EventExecutor;
import io.ztunnel.metrics.Reporter;
import io.ztunnel.metrics.TrafficMetrics;
import java.net.InetSocketAddress;
import java.util.function.LongSupplier;

/** Where connections begin to be reported. Any thread. */
public final class ConnectionTelemetry {
  private final TrafficMetrics metrics;
  private final LongSupplier nanoTime;

  /**
   * Reports into these metrics and the access log.
   *
   * @param nanoTime a clock as {@code System.nanoTime}
   */
  public ConnectionTelemetry(TrafficMetrics metrics, LongSupplier nanoTime) {
    this.metrics = metrics;
    this.nanoTime = nanoTime;
  }

  /** The clock of the durations; take the time when the connection is accepted. */
  public long nanoTime() {
    return nanoTime.getAsLong();
  }

  /**
   * The connection is opened: counted, and a line at debug.
   *
   * @param beganNanos when it was accepted, by {@link #nanoTime}
   * @param loop the loop of the connection, on which this is called
   * @return to be ended once
   */
  public ConnectionObserver opened(ConnectionFacts facts, long beganNanos, EventExecutor loop) {
    AccessLog.opened(facts);
    return new ConnectionObserver(metrics, facts, beganNanos, loop, nanoTime);
  }

  /** A connection was refused before it was opened: a line, and the count of its reason. */
  public void refused(
      Reporter reporter,
      InetSocketAddress source,
      InetSocketAddress destination,
      ConnectionFailure failure) {
    metrics.connectionFailed(reporter, failure.reason());
    AccessLog.refused(reporter, source, destination, failure);
  }
}
