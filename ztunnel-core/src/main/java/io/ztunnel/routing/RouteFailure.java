package io.ztunnel.routing;

import io.ztunnel.mesh.GatewayAddress;
import io.ztunnel.mesh.IpText;
import io.ztunnel.mesh.Workload;
import java.net.InetSocketAddress;

/** Why an outbound connection goes nowhere. Immutable. */
public sealed interface RouteFailure extends RouteResult {
  /** The connection's error (Istio). */
  String message();

  /** It would come back to this proxy. */
  record SelfCall() implements RouteFailure {
    @Override
    public String message() {
      return "attempted recursive call to ourselves";
    }
  }

  /** The service has no endpoint that can be used. */
  record NoHealthyUpstream(InetSocketAddress target) implements RouteFailure {
    @Override
    public String message() {
      return "no healthy upstream: " + IpText.of(target);
    }
  }

  /** The workload of another network can be reached through one of its services only. */
  record NoService(InetSocketAddress target) implements RouteFailure {
    @Override
    public String message() {
      return "no service for target address: " + IpText.of(target);
    }
  }

  /** The workload has no address, and no gateway where it needs one. */
  record NoValidDestination(Workload workload) implements RouteFailure {
    @Override
    public String message() {
      return "no valid routing destination for workload: " + workload;
    }
  }

  /** There is no waypoint where one is named; traffic never goes around it. */
  record UnknownWaypoint(GatewayAddress.Destination waypoint) implements RouteFailure {
    @Override
    public String message() {
      return "unknown waypoint: waypoint " + waypoint + " not found";
    }
  }

  /** There is no gateway where one is named. */
  record UnknownNetworkGateway(GatewayAddress.Destination gateway) implements RouteFailure {
    @Override
    public String message() {
      return "unknown network gateway: network gateway " + gateway + " not found";
    }
  }

  /** The name service knows the hostname of the workload, and no address of it. */
  record EmptyResolvedAddresses(String workloadUid) implements RouteFailure {
    @Override
    public String message() {
      return "ip addresses were resolved for workload "
          + workloadUid
          + ", but valid dns response had no A/AAAA records";
    }
  }

  /** The hostname of the workload could not be resolved. */
  record NoResolvedAddresses(String workloadUid) implements RouteFailure {
    @Override
    public String message() {
      return "no ip addresses were resolved for workload: " + workloadUid;
    }
  }
}
