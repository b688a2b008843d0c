package io.ztunnel.proxy;

/** How a proxy ends (Istio: graceful for the process, immediate for a pod that has gone). */
public enum DrainMode {
  /** Accept no more, let connections end by themselves until the deadline, then cut them. */
  GRACEFUL,
  /** Cut everything now. */
  IMMEDIATE
}
