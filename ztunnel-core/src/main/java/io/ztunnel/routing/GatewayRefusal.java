package io.ztunnel.routing;

import io.ztunnel.hbone.Authority;
import io.ztunnel.mesh.GatewayAddress;
import io.ztunnel.mesh.Service;

/** Why a gateway does not pass a tunnel on. */
public sealed interface GatewayRefusal extends GatewayResult {
  /** No service has this name or address; addresses of pods are not served (Istio). */
  record UnknownService(Authority authority) implements GatewayRefusal {}

  /** The service is there, but not for other networks. */
  record NotExported(Service service) implements GatewayRefusal {}

  /** The service has no such port. */
  record UnknownPort(Service service, int port) implements GatewayRefusal {}

  /** The service's waypoint is not in the mesh. */
  record UnknownWaypoint(Service service, GatewayAddress.Destination waypoint)
      implements GatewayRefusal {}

  /**
   * No endpoint of this network can be used.
   *
   * @param chosenFrom the service itself, or that of its waypoint
   */
  record NoEndpoint(Service service, Service chosenFrom) implements GatewayRefusal {}
}
