package io.ztunnel.routing;

import io.ztunnel.hbone.Authority;
import io.ztunnel.mesh.Addressable;
import io.ztunnel.mesh.GatewayAddress;
import io.ztunnel.mesh.NetworkAddress;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.Workload;
import java.net.InetAddress;

/** One step of a routing decision, as it was taken. Immutable. */
public sealed interface RouteStep {
  /**
   * What the address that the application asked for stands for.
   *
   * @param clientNamespace the namespace of whoever asks
   */
  record AddressKnown(NetworkAddress address, String clientNamespace, Addressable found)
      implements RouteStep {}

  /** Nothing in the mesh has the address, or nothing that the client may see. */
  record AddressUnknown(NetworkAddress address, String clientNamespace) implements RouteStep {}

  /** The traffic of a service passes a waypoint; of several one was drawn. */
  record ServiceWaypoint(Service service, GatewayAddress waypoint) implements RouteStep {}

  /** The traffic of a workload passes a waypoint. */
  record WorkloadWaypoint(Workload workload, GatewayAddress waypoint) implements RouteStep {}

  /** The workload has a waypoint, and the connection comes from just there. */
  record FromTheWaypoint(Workload workload, GatewayAddress waypoint) implements RouteStep {}

  /** The workload is in another network, behind a gateway. */
  record ThroughGateway(Workload workload, GatewayAddress gateway) implements RouteStep {}

  /** One of the gateways into another network was looked at. */
  record GatewayJudged(Workload gateway, EndpointFate fate) implements RouteStep {}

  /** The service wants its connections left alone. */
  record OriginalDestinationKept(Service service) implements RouteStep {}

  /** The endpoints of a service are looked at, for this port of it. */
  record ServiceEntered(Service service, int port) implements RouteStep {}

  /** The service does not have the port, so none of its endpoints is looked at. */
  record PortUnknown(Service service, int port) implements RouteStep {}

  /** An endpoint of a service was looked at. */
  record EndpointJudged(String workloadUid, EndpointFate fate, int rank) implements RouteStep {}

  /**
   * An endpoint of a service was chosen.
   *
   * @param candidates how many could be used, those avoided included
   * @param avoided how many of them are set aside or have failed for this connection
   */
  record EndpointChosen(
      Service service, int port, Workload workload, int targetPort, int candidates, int avoided)
      implements RouteStep {}

  /** No endpoint of the service can be used, or the one chosen serves no such port. */
  record NoEndpointChosen(Service service, int port) implements RouteStep {}

  // Of gateways between networks.

  /** The authority of a tunnel names this service. */
  record ServiceNamed(Authority authority, Service service) implements RouteStep {}

  /** Whether a gateway serves the service to other networks, and why. */
  record ExportJudged(Service service, boolean exported, String reason) implements RouteStep {}

  /** The service has waypoints, and the caller has done or need not have done their work. */
  record WaypointNotPassed(Service service, GatewayCall.Caller caller) implements RouteStep {}

  /** A gateway has this many tunnels open to the endpoint that was judged just before. */
  record EndpointLoaded(int tunnels, long capacity) implements RouteStep {}

  /**
   * The endpoint with the fewest tunnels for its capacity was chosen.
   *
   * @param candidates among how many; of very many only two are compared
   */
  record LeastLoadedChosen(Workload workload, int candidates) implements RouteStep {}

  /** Of the addresses of the workload this one is used. */
  record AddressSelected(Workload workload, InetAddress address) implements RouteStep {}
}
