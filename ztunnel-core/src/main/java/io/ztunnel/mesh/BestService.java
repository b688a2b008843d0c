package io.ztunnel.mesh;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** Chooses among services that share a hostname or an address. Pure. */
final class BestService {
  private BestService() {}

  /**
   * One in the client's namespace; else the last canonical one; else the first (Istio). Services
   * that the client may not see do not count, nor does one that has the same address as a later one
   * of its own namespace.
   *
   * @param candidates in order of insertion
   */
  static @Nullable Service of(List<Service> candidates, @Nullable String clientNamespace) {
    return of(candidates, clientNamespace, null);
  }

  /**
   * The same; where neither the client's namespace nor a canonical service decides, one of a
   * preferred namespace wins.
   */
  static @Nullable Service of(
      List<Service> candidates,
      @Nullable String clientNamespace,
      @Nullable String preferredNamespace) {
    Service canonical = null;
    Service preferred = null;
    Service first = null;
    for (int i = 0; i < candidates.size(); i++) {
      Service candidate = candidates.get(i);
      boolean isOwn = candidate.namespace().equals(clientNamespace);
      boolean isPreferred = candidate.namespace().equals(preferredNamespace);
      boolean matters = isOwn || isPreferred || candidate.canonical() || first == null;
      if (!matters || !candidate.visibleTo(clientNamespace) || isShadowed(candidates, i)) {
        continue; // in this order: only few are compared with all that follow
      }
      if (isOwn) {
        return candidate;
      }
      if (candidate.canonical()) {
        canonical = candidate;
      }
      if (isPreferred) {
        preferred = candidate;
      }
      if (first == null) {
        first = candidate;
      }
    }
    return canonical != null ? canonical : preferred != null ? preferred : first;
  }

  private static boolean isShadowed(List<Service> candidates, int index) {
    for (int i = index + 1; i < candidates.size(); i++) {
      if (candidates.get(i).namespace().equals(candidates.get(index).namespace())) {
        return true;
      }
    }
    return false;
  }
}
