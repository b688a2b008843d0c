package io.ztunnel.routing;

import io.ztunnel.hbone.Authority;
import io.ztunnel.mesh.Addressable;
import io.ztunnel.mesh.ApplicationTunnel;
import io.ztunnel.mesh.GatewayAddress;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.NetworkAddress;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.WeightedWaypoint;
import io.ztunnel.mesh.Workload;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Decides where inbound connections end (Istio ambient, in the reference's order of checks). Pure;
 * any thread.
 */
public final class InboundRouter {
  private static final Comparator<Service> BY_KEY =
      Comparator.comparing(Service::hostname).thenComparing(Service::namespace);

  private final InboundSettings settings;

  public InboundRouter(InboundSettings settings) {
    this.settings = settings;
  }

  /**
   * Where a CONNECT ends. The target is always at the local address, whatever the authority says.
   */
  public InboundResult route(InboundCall call, MeshView view) {
    return switch (call.authority()) {
      case Authority.Address address -> route(call, address.socketAddress(), view);
      case Authority.Host host -> route(call, host, view);
    };
  }

  /** Where a plain connection ends that was captured on its way to a local workload. */
  public InboundResult passthrough(
      Workload local, InetSocketAddress originalDestination, MeshView view) {
    return settings.reservedPorts().contains(originalDestination.getPort())
        ? new InboundFailure.ProxyPort(originalDestination.getPort())
        : new InboundRoute(
            local, originalDestination, originalDestination, null, services(local, view));
  }

  /**
   * Whether a peer came through a gateway of another network: its address then says nothing about
   * it, and must not be looked up.
   *
   * @param forwardedNetwork the value of {@code x-forwarded-network}; null without one
   */
  public boolean isFromGateway(@Nullable String forwardedNetwork) {
    return forwardedNetwork != null && !forwardedNetwork.equalsIgnoreCase(settings.network());
  }

  private InboundResult route(InboundCall call, InetSocketAddress requested, MeshView view) {
    if (!isAllowed(call, requested.getAddress(), view)) {
      return new InboundFailure.IpMismatch(call.localAddress(), requested.getAddress());
    }
    return settings.reservedPorts().contains(requested.getPort())
        ? new InboundFailure.SelfCall()
        : deliver(call, requested.getPort(), requested, services(call.local(), view));
  }

  private InboundResult route(InboundCall call, Authority.Host requested, MeshView view) {
    Workload local = call.local();
    Service service = view.service(requested.name(), local.namespace());
    if (service == null) {
      return new InboundFailure.UnknownHostname(requested.name());
    }
    int port = service.targetPort(local.uid(), requested.port());
    if (port <= 0) {
      return new InboundFailure.NoPort(requested);
    }
    if (settings.reservedPorts().contains(port)) {
      return new InboundFailure.SelfCall();
    }
    InetAddress vip = vip(service);
    if (vip == null && local.applicationTunnel() != null) {
      return new InboundFailure.NoServiceAddress(requested.name());
    }
    InetSocketAddress announced = vip == null ? null : new InetSocketAddress(vip, requested.port());
    return deliver(call, port, announced, List.of(service));
  }

  /** Hands over to the application, by its tunnel if it has one. */
  private InboundResult deliver(
      InboundCall call, int port, @Nullable InetSocketAddress announced, List<Service> candidates) {
    Workload local = call.local();
    ApplicationTunnel tunnel = local.applicationTunnel();
    int finalPort = tunnel != null && tunnel.hasPort() ? tunnel.port() : port;
    InetSocketAddress destination = new InetSocketAddress(call.localAddress(), finalPort);
    if (tunnel == null) {
      return new InboundRoute(local, destination, destination, null, candidates);
    }
    return switch (tunnel.kind()) {
      case NONE -> new InboundRoute(local, destination, destination, null, candidates);
      case PROXY ->
          new InboundRoute(local, destination, proxyDial(destination), announced, candidates);
    };
  }

  private InetSocketAddress proxyDial(InetSocketAddress destination) {
    return switch (settings.tunnelDelivery()) {
      case POD_ADDRESS -> destination;
      case LOOPBACK ->
          new InetSocketAddress(
              InetAddress.ofLiteral(
                  destination.getAddress() instanceof Inet6Address ? "::1" : "127.0.0.1"),
              destination.getPort());
    };
  }

  /**
   * The service's address to tell the application: of this network before others, IPv4 before v6.
   */
  private @Nullable InetAddress vip(Service service) {
    return service.vips().stream()
        .min(
            Comparator.comparing((NetworkAddress vip) -> !vip.network().equals(settings.network()))
                .thenComparing(vip -> vip.ip() instanceof Inet6Address))
        .map(NetworkAddress::ip)
        .orElse(null);
  }

  /**
   * The address must be the local one, unless traffic for others ends here: the workload takes
   * tunnels, or is the waypoint of what has the address.
   */
  private boolean isAllowed(InboundCall call, InetAddress requested, MeshView view) {
    if (requested.equals(call.localAddress()) || call.local().applicationTunnel() != null) {
      return true;
    }
    String peerNamespace = call.peer() == null ? null : call.peer().namespace();
    NetworkAddress address = new NetworkAddress(settings.network(), requested);
    return switch (view.find(address, peerNamespace)) {
      case null -> false;
      case Workload workload ->
          Stream.ofNullable(workload.waypoint())
              .anyMatch(waypoint -> isLocal(waypoint, call, view));
      case Service service ->
          waypoints(service).anyMatch(waypoint -> isLocal(waypoint, call, view));
    };
  }

  /** All that may have been drawn for a connection, weighted ones included. */
  private static Stream<GatewayAddress> waypoints(Service service) {
    return Stream.concat(
        Stream.ofNullable(service.waypoints().only()),
        service.waypoints().weighted().stream().map(WeightedWaypoint::destination));
  }

  private static boolean isLocal(GatewayAddress waypoint, InboundCall call, MeshView view) {
    Addressable found = view.find(waypoint.destination(), call.local().namespace());
    return switch (found) {
      case null -> false;
      case Workload workload -> workload.ips().contains(call.localAddress());
      case Service service -> service.endpoints().get(call.local().uid()) != null;
    };
  }

  /** In a fixed order: the first that fits is reported. */
  private static List<Service> services(Workload local, MeshView view) {
    List<Service> services = view.services(local);
    return services.size() < 2 ? services : services.stream().sorted(BY_KEY).toList();
  }
}
