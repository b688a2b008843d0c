package io.ztunnel.identity;

import io.ztunnel.xds.ControlPlane;
import java.time.Duration;

/**
 * How certificates are asked of the control plane. Immutable.
 *
 * @param controlPlane where the CA is
 * @param validity for how long certificates are asked for; the CA may give less
 * @param subject for whom
 * @param callTimeout for one answer
 */
public record CaSettings(
    ControlPlane controlPlane, Duration validity, Subject subject, Duration callTimeout) {
  /** For whom the daemon asks, and so whose identity the CA puts into the certificate. */
  public enum Subject {
    /** For each of its node's workloads (Istio: impersonation). */
    WORKLOADS,
    /** For itself: the CA knows it by its token. */
    CALLER
  }

  public CaSettings {
    if (validity.isNegative() || validity.isZero()) {
      throw new IllegalArgumentException("validity: " + validity + " (expected: more than 0)");
    }
    if (callTimeout.isNegative() || callTimeout.isZero()) {
      throw new IllegalArgumentException(
          "callTimeout: " + callTimeout + " (expected: more than 0)");
    }
  }
}
