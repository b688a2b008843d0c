package io.ztunnel.identity;

/** How urgent a certificate is (Istio); the later, the more. */
enum Priority {
  /** Renewals and retries: nobody waits. */
  BACKGROUND,
  /** A workload of the node that will want it. */
  WARMUP,
  /** A connection that waits. */
  REAL_TIME
}
