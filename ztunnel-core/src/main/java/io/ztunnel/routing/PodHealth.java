package io.ztunnel.routing;

import java.time.Duration;
import java.util.Optional;

/**
 * What one pod should avoid: what failed lately for any pod, and what it holds for itself, because
 * only it may be unable to reach it. As thread-safe as what all pods know.
 *
 * @param all what all pods know
 * @param pod uid of its workload
 */
public record PodHealth(EndpointHealth all, String pod) {
  /** Whether the pod should avoid the workload of this uid, or the address of one, now. */
  public boolean isSetAside(String key) {
    return !all.isEmpty() && (all.isSetAside(key) || all.isSetAside(own(key)));
  }

  /** For how long it has been so that the pod should avoid it; empty: it should not. */
  public Optional<Duration> setAsideFor(String key) {
    return all.setAsideFor(own(key)).or(() -> all.setAsideFor(key));
  }

  /** The pod should avoid it until it has {@link #succeeded}, for so long at most. */
  public void hold(String key, Duration atMost) {
    all.hold(own(key), atMost);
  }

  /** The pod dials it now. What it holds for itself, it tries for nobody else. */
  public void attempted(String key) {
    if (!all.isEmpty() && !all.isSetAside(own(key))) {
      all.attempted(key);
    }
  }

  /** Dialling it failed, which all pods are warned of. */
  public void failed(String key) {
    all.failed(key);
  }

  /** The pod has reached it, or has reason to try. */
  public void succeeded(String key) {
    if (!all.isEmpty()) {
      all.succeeded(key);
      all.succeeded(own(key));
    }
  }

  private String own(String key) {
    return pod + ' ' + key;
  }
}
