package io.ztunnel.routing;

import io.ztunnel.mesh.GatewayAddress;
import io.ztunnel.mesh.MeshView;
import java.util.function.Consumer;
import java.util.function.Predicate;

/**
 * All that a decision depends on besides settings and chance. Immutable.
 *
 * @param view the mesh
 * @param setAside whether the workload of a uid, an address of it, or what is asked for there,
 *     failed lately and should be avoided
 * @param met is told of waypoints and gateways that matter, whether the mesh knows them or not
 */
record Scene(
    MeshView view,
    OutboundCall call,
    Predicate<String> setAside,
    RouteTrace trace,
    Consumer<GatewayAddress.Destination> met) {
  /** Of the workload of a uid, or of an address of it. */
  Tier tier(String key) {
    if (call.failed().contains(key)) {
      return Tier.FAILED;
    }
    return setAside.test(key) ? Tier.ASIDE : Tier.USABLE;
  }

  /** Of what is asked for there: as good at most. */
  Tier tier(String key, String application) {
    Tier whole = tier(key);
    return whole == Tier.USABLE && setAside.test(Hop.key(key, application)) ? Tier.ASIDE : whole;
  }
}
