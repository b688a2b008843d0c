package io.ztunnel.routing;

import io.ztunnel.mesh.GatewayAddress;
import io.ztunnel.mesh.Workload;
import java.net.InetSocketAddress;

/** Why an outbound connection goes nowhere. How it is told is for the caller. Immutable. */
public sealed interface RouteFailure extends RouteResult {
  /** It would come back to this proxy. */
  record SelfCall() implements RouteFailure {}

  /** The service has no endpoint that can be used. */
  record NoHealthyUpstream(InetSocketAddress target) implements RouteFailure {}

  /** The workload of another network can be reached through one of its services only. */
  record NoService(InetSocketAddress target) implements RouteFailure {}

  /** The workload has no address, and no gateway where it needs one. */
  record NoValidDestination(Workload workload) implements RouteFailure {}

  /** There is no waypoint where one is named; traffic never goes around it. */
  record UnknownWaypoint(GatewayAddress.Destination waypoint) implements RouteFailure {}

  /** There is no gateway where one is named. */
  record UnknownNetworkGateway(GatewayAddress.Destination gateway) implements RouteFailure {}

  /** The name service knows the hostname of the workload, and no address of it. */
  record EmptyResolvedAddresses(String workloadUid) implements RouteFailure {}

  /** The hostname of the workload could not be resolved. */
  record NoResolvedAddresses(String workloadUid) implements RouteFailure {}
}
