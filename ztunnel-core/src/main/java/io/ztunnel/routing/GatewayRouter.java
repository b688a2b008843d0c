package io.ztunnel.routing;

import io.ztunnel.hbone.Authority;
import io.ztunnel.mesh.GatewayAddress;
import io.ztunnel.mesh.IpFamilies;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.NetworkAddress;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.Workload;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.Set;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Decides where a gateway between networks passes a tunnel on to (Istio: east-west gateway). The
 * tunnel's bytes are a tunnel again, which ends at the endpoint: nothing in it is looked at, and an
 * endpoint is reached by plain TCP. Pure but for chance; any thread.
 */
public final class GatewayRouter {
  private final GatewaySettings settings;
  private final EndpointLoads loads;
  private final Supplier<? extends RandomGenerator> random;

  /**
   * With this configuration.
   *
   * @param loads the tunnels that the gateway has open
   */
  public GatewayRouter(
      GatewaySettings settings, EndpointLoads loads, Supplier<? extends RandomGenerator> random) {
    this.settings = settings;
    this.loads = loads;
    this.random = random;
  }

  /**
   * Decides about one tunnel.
   *
   * @param own the tunnels that the client's connection has already
   * @param setAside whether the workload of a uid failed lately and should be avoided
   * @param trace is told the steps
   */
  public GatewayResult route(
      GatewayCall call,
      EndpointLoads own,
      MeshView view,
      Predicate<String> setAside,
      RouteTrace trace) {
    GatewayScene scene = scene(call, own, view, setAside, trace);
    Service service = service(call, view);
    if (service == null) {
      return new GatewayRefusal.UnknownService(call.authority());
    }
    boolean exported = isExported(service);
    if (trace.isOn()) {
      trace.step(new RouteStep.ServiceNamed(call.authority(), service));
      String reason = settings.exports().reason(service, settings.network());
      trace.step(new RouteStep.ExportJudged(service, exported, reason));
    }
    if (!exported) {
      return new GatewayRefusal.NotExported(service);
    }
    int port = call.authority().port();
    if (!service.ports().contains(port)) {
      if (trace.isOn()) {
        trace.step(new RouteStep.PortUnknown(service, port));
      }
      return new GatewayRefusal.UnknownPort(service, port);
    }
    GatewayAddress waypoint = waypoint(scene, service);
    if (waypoint == null) {
      return toTunnel(
          service, service, new GatewayChoice(scene, service, port, GatewayChoice.Taking.TUNNEL));
    }
    return switch (view.find(waypoint.destination(), service.namespace())) {
      case null -> new GatewayRefusal.UnknownWaypoint(service, waypoint.destination());
      case Workload workload -> toWaypoint(service, waypoint, workload);
      case Service waypoints ->
          toTunnel(
              service,
              waypoints,
              new GatewayChoice(
                  scene, waypoints, waypoint.hboneMtlsPort(), GatewayChoice.Taking.WAYPOINT));
    };
  }

  /**
   * Decides about one TLS connection that is passed on as it is: to an endpoint's own port, whether
   * the service is exported or not. A name that the mesh does not know is an {@link
   * GatewayRefusal.UnknownService}.
   *
   * @param gateway the mesh's record of the gateway itself, if it has one
   * @param failed uids of workloads that failed for this connection
   */
  public GatewayResult pass(
      TlsPassthrough asked,
      @Nullable Workload gateway,
      Set<String> failed,
      MeshView view,
      Predicate<String> setAside) {
    int port = asked.targetPort();
    GatewayCall call =
        new GatewayCall(
            new Authority.Host(asked.host(), port), GatewayCall.Caller.NODE, null, gateway, failed);
    Service service = service(asked, view);
    if (service == null) {
      return new GatewayRefusal.UnknownService(call.authority());
    }
    if (!service.ports().contains(port)) {
      return new GatewayRefusal.UnknownPort(service, port);
    }
    GatewayScene scene = scene(call, loads.ofConnection(), view, setAside, RouteTrace.OFF);
    var choice = new GatewayChoice(scene, service, port, GatewayChoice.Taking.CONNECTION);
    Workload workload = choice.choose();
    return workload == null
        ? new GatewayRefusal.NoEndpoint(service, service)
        : new GatewayRoute(
            service,
            workload,
            choice.load(workload),
            address(service, workload, service.targetPort(workload.uid(), port)),
            choice.others());
  }

  private static @Nullable Service service(TlsPassthrough asked, MeshView view) {
    for (String name : asked.names()) {
      Service service = view.service(name, null);
      if (service != null) {
        return service;
      }
    }
    return null;
  }

  private GatewayScene scene(
      GatewayCall call,
      EndpointLoads own,
      MeshView view,
      Predicate<String> setAside,
      RouteTrace trace) {
    return new GatewayScene(
        view, settings.network(), call, setAside, loads, own, random.get(), trace);
  }

  /**
   * By name first, because addresses may mean something else in the client's network. Of several
   * with one name, one that is exported.
   */
  private @Nullable Service service(GatewayCall call, MeshView view) {
    return switch (call.authority()) {
      case Authority.Host(String name, int _) -> {
        Service exported = view.service(name, call.clientNamespace(), null, this::isExported);
        yield exported != null ? exported : view.service(name, call.clientNamespace());
      }
      case Authority.Address(InetAddress ip, int _) ->
          view.service(new NetworkAddress(settings.network(), ip), call.clientNamespace());
    };
  }

  private boolean isExported(Service service) {
    return settings.exports().contains(service, settings.network());
  }

  /** The one that the tunnel passes; null: none. */
  private static @Nullable GatewayAddress waypoint(GatewayScene scene, Service service) {
    GatewayAddress waypoint = service.waypoints().draw(scene.random());
    if (waypoint == null) {
      return null;
    }
    boolean passes = passesWaypoint(scene.call(), service);
    if (scene.trace().isOn()) {
      scene
          .trace()
          .step(
              passes
                  ? new RouteStep.ServiceWaypoint(service, waypoint)
                  : new RouteStep.WaypointNotPassed(service, scene.call().caller()));
    }
    return passes ? waypoint : null;
  }

  private static boolean passesWaypoint(GatewayCall call, Service service) {
    return switch (call.caller()) {
      case NODE -> true;
      case WAYPOINT -> false;
      case INGRESS ->
          switch (service.traits().ingress()) {
            case DIRECT -> false;
            case WAYPOINT -> true;
          };
    };
  }

  private GatewayResult toWaypoint(Service service, GatewayAddress waypoint, Workload workload) {
    return workload.network().equals(settings.network()) && workload.hasIps()
        ? new GatewayRoute(
            service,
            workload,
            new EndpointLoads.Key(service.key(), workload.uid()),
            address(service, workload, settings.hbonePort()),
            0)
        : new GatewayRefusal.UnknownWaypoint(service, waypoint.destination());
  }

  private GatewayResult toTunnel(Service service, Service chosenFrom, GatewayChoice choice) {
    Workload workload = choice.choose();
    return workload == null
        ? new GatewayRefusal.NoEndpoint(service, chosenFrom)
        : new GatewayRoute(
            service,
            workload,
            choice.load(workload),
            address(chosenFrom, workload, settings.hbonePort()),
            choice.others());
  }

  /** The first address that the service allows, or else the first. */
  private static InetSocketAddress address(Service service, Workload workload, int port) {
    IpFamilies families = service.ipFamilies();
    InetAddress ip =
        workload.ips().stream()
            .filter(candidate -> families == null || families.allows(candidate))
            .findFirst()
            .orElseGet(() -> workload.ips().getFirst());
    return new InetSocketAddress(ip, port);
  }
}
