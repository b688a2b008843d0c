package io.ztunnel.routing;

import io.ztunnel.hbone.Authority;
import io.ztunnel.mesh.Addressable;
import io.ztunnel.mesh.GatewayAddress;
import io.ztunnel.mesh.IpFamilies;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.NamespacedHostname;
import io.ztunnel.mesh.NetworkAddress;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.Workload;
import java.net.InetAddress;
import java.net.InetSocketAddress;
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
   * @param setAside whether the workload of a uid failed lately and should be avoided
   */
  public GatewayResult route(GatewayCall call, MeshView view, Predicate<String> setAside) {
    Service service = service(call, view);
    if (service == null) {
      return new GatewayRefusal.UnknownService(call.authority());
    }
    if (!isExported(service)) {
      return new GatewayRefusal.NotExported(service);
    }
    if (!service.ports().contains(call.authority().port())) {
      return new GatewayRefusal.UnknownPort(service, call.authority().port());
    }
    RandomGenerator chance = random.get();
    GatewayAddress waypoint =
        passesWaypoint(call, service) ? service.waypoints().draw(chance) : null;
    if (waypoint == null) {
      return toEndpoint(
          service,
          service,
          new GatewayChoice(
              view,
              settings.network(),
              call,
              service,
              call.authority().port(),
              ResolutionMode.STANDARD,
              setAside,
              loads,
              chance));
    }
    return switch (find(waypoint, service, view)) {
      case null -> new GatewayRefusal.UnknownWaypoint(service, waypoint.destination());
      case Workload workload -> toWaypoint(service, waypoint, workload);
      case Service waypoints ->
          toEndpoint(
              service,
              waypoints,
              new GatewayChoice(
                  view,
                  settings.network(),
                  call,
                  waypoints,
                  waypoint.hboneMtlsPort(),
                  ResolutionMode.WAYPOINT,
                  setAside,
                  loads,
                  chance));
    };
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

  private static @Nullable Addressable find(
      GatewayAddress waypoint, Service service, MeshView view) {
    return switch (waypoint.destination()) {
      case NetworkAddress address -> view.find(address, service.namespace());
      case NamespacedHostname hostname -> view.find(hostname);
    };
  }

  private GatewayResult toWaypoint(Service service, GatewayAddress waypoint, Workload workload) {
    return workload.network().equals(settings.network()) && workload.hasIps()
        ? new GatewayRoute(service, workload, address(service, workload), 0)
        : new GatewayRefusal.UnknownWaypoint(service, waypoint.destination());
  }

  private GatewayResult toEndpoint(Service service, Service chosenFrom, GatewayChoice choice) {
    Workload workload = choice.choose();
    return workload == null
        ? new GatewayRefusal.NoEndpoint(service, chosenFrom)
        : new GatewayRoute(service, workload, address(chosenFrom, workload), choice.others());
  }

  /** The first address that the service allows, or else the first. */
  private InetSocketAddress address(Service service, Workload workload) {
    IpFamilies families = service.ipFamilies();
    InetAddress ip =
        workload.ips().stream()
            .filter(candidate -> families == null || families.allows(candidate))
            .findFirst()
            .orElseGet(() -> workload.ips().getFirst());
    return new InetSocketAddress(ip, settings.hbonePort());
  }
}
