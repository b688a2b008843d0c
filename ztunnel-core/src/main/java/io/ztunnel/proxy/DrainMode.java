package io.ztunnel.proxy;

/** How a proxy ends (Istio: graceful for the process, immediate for a pod that has gone). */
public enum DrainMode {
  /**
   * Hand the listeners over to another process, let connections end by themselves until the
   * deadline, then cut them.
   */
  GRACEFUL,
  /** Cut everything now. */
  IMMEDIATE
}
