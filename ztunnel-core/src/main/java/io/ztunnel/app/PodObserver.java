package io.ztunnel.app;

import io.ztunnel.admin.Readiness;
import io.ztunnel.log.Log;
import io.ztunnel.log.LogLevel;
import io.ztunnel.metrics.WorkloadManagerMetrics;
import io.ztunnel.proxy.WorkloadProxies;

/** Hears what becomes of the pods' proxies, on the control thread. */
final class PodObserver implements WorkloadProxies.Observer {
  private static final Log LOG = Log.target("ztunnel");

  /** What the process waits for before it is ready (Istio). */
  private static final String TASK = "workload proxy manager";

  private final WorkloadManagerMetrics metrics;
  private final Readiness readiness;
  private final String awaited;
  private final Runnable onFatal;

  /**
   * Requires the pods for readiness.
   *
   * @param awaited what they wait for
   * @param onFatal the process has to end
   */
  PodObserver(
      WorkloadManagerMetrics metrics, Readiness readiness, String awaited, Runnable onFatal) {
    this.metrics = metrics;
    this.readiness = readiness;
    this.awaited = awaited;
    this.onFatal = onFatal;
    readiness.require(TASK, awaited);
  }

  @Override
  public void onCounts(int active, int pending) {
    metrics.active(active);
    metrics.pending(pending);
  }

  @Override
  public void onProxyStarted() {
    metrics.proxyStarted();
  }

  @Override
  public void onProxyStopped() {
    metrics.proxyStopped();
  }

  @Override
  public void onReady() {
    readiness.complete(TASK);
  }

  @Override
  public void onNotReady() {
    readiness.require(TASK, awaited);
  }

  @Override
  public void onFatal(String reason) {
    LOG.at(LogLevel.ERROR, "the CNI agent broke the protocol, ending for a fresh start")
        .string("error", reason)
        .log();
    onFatal.run();
  }
}
