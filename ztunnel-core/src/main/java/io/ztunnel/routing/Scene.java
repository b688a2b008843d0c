package io.ztunnel.routing;

import io.ztunnel.mesh.MeshView;
import java.util.function.Predicate;

/**
 * All that a decision depends on besides settings and chance. Immutable.
 *
 * @param view the mesh
 * @param setAside whether the workload of a uid, or an address of it, failed lately and should be
 *     avoided
 */
record Scene(MeshView view, OutboundCall call, Predicate<String> setAside, RouteTrace trace) {
  /** Of the workload of a uid, or of an address of it. */
  Tier tier(String key) {
    if (call.failed().contains(key)) {
      return Tier.FAILED;
    }
    return setAside.test(key) ? Tier.ASIDE : Tier.USABLE;
  }
}
