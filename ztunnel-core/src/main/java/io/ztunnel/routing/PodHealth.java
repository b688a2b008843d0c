package io.ztunnel.routing;

import java.time.Duration;
import java.util.Optional;

/**
 * What one pod should avoid: what failed for it lately, or is held by it, and what others warn of.
 * What keeps a pod from somebody may be its own network or certificate. So a failure counts for the
 * pod that it happened to, and the others are warned by the first one only: one of them tries after
 * a second, for all that have not failed there themselves. As thread-safe as what all pods know.
 *
 * @param all what all pods know
 * @param pod uid of its workload
 */
public record PodHealth(EndpointHealth all, String pod) {
  /** Whether the pod should avoid it now. */
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

  /** The pod tries it now. What has failed for itself before, it tries for nobody else. */
  public void attempted(String key) {
    if (!all.isEmpty() && !all.attempted(own(key))) {
      boolean _ = all.attempted(key);
    }
  }

  /** It failed for the pod; if for the first time lately, the others are warned. */
  public void failed(String key) {
    if (all.failed(own(key))) {
      warn(key);
    }
  }

  /** The others should avoid it for a while, too. */
  public void warn(String key) {
    boolean _ = all.failed(key);
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
