package io.ztunnel.routing;

import io.ztunnel.mesh.GatewayAddress;
import io.ztunnel.mesh.MeshView;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;

/**
 * Decides where outbound connections go (Istio ambient, in the reference's order of checks). Pure
 * but for the chance of load balancing; any thread.
 */
public final class OutboundRouter {
  private final OutboundSettings settings;
  private final Supplier<? extends RandomGenerator> random;

  /**
   * A router.
   *
   * @param random the calling thread's source of chance
   */
  public OutboundRouter(OutboundSettings settings, Supplier<? extends RandomGenerator> random) {
    this.settings = settings;
    this.random = random;
  }

  /**
   * Decides.
   *
   * @param view the mesh as it is now
   * @param setAside whether the workload of a uid, an address of it, or what is asked for there,
   *     should be avoided, because it failed lately; it is still chosen when there is no other
   * @param trace is told the steps
   */
  public RouteResult route(
      OutboundCall call, MeshView view, Predicate<String> setAside, RouteTrace trace) {
    return route(call, view, setAside, trace, _ -> {});
  }

  /**
   * Decides as above.
   *
   * @param met is told of the waypoints and gateways, some of them more than once, that matter, or
   *     would if the mesh knew them
   */
  public RouteResult route(
      OutboundCall call,
      MeshView view,
      Predicate<String> setAside,
      RouteTrace trace,
      Consumer<GatewayAddress.Destination> met) {
    Scene scene = new Scene(view, call, setAside, trace, met);
    return new OutboundDecision(settings, scene, random.get()).decide();
  }

  /**
   * Whether the mesh has the gateway of a route dialled in another way by now, for the same
   * endpoint: at another port, or as another peer. False if it is not dialled for that one any
   * more. Says nothing of addresses.
   *
   * @param call for which the route was decided, as far as its target does not matter
   * @param view the mesh as it is now
   */
  public boolean isGatewayOtherwise(Route.DoubleHbone route, OutboundCall call, MeshView view) {
    String gateway = route.gateway().workload().uid();
    // Whatever else there is to choose: this one is to be looked at.
    Scene scene = new Scene(view, call, key -> !key.equals(gateway), RouteTrace.OFF, _ -> {});
    return new OutboundDecision(settings, scene, random.get()).isGatewayOtherwise(route);
  }
}
