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
 * @param unknown is told of waypoints and gateways that matter and of which the mesh says nothing
 */
record Scene(
    MeshView view,
    OutboundCall call,
    Predicate<String> setAside,
    RouteTrace trace,
    Consumer<GatewayAddress.Destination> unknown) {
  /** Tells of a waypoint if the mesh says nothing of it. */
  void miss(GatewayAddress waypoint) {
    GatewayAddress.Destination destination = waypoint.destination();
    if (view.find(destination, call.source().namespace()) == null) {
      unknown.accept(destination);
    }
  }

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
