package io.ztunnel.routing;

import io.ztunnel.mesh.Addressable;
import io.ztunnel.mesh.GatewayAddress;
import io.ztunnel.mesh.LoadBalancer;
import io.ztunnel.mesh.NamespacedHostname;
import io.ztunnel.mesh.NetworkAddress;
import io.ztunnel.mesh.PortMap;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.Workload;
import java.net.InetAddress;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/** Finds the workload behind an address, a waypoint or a gateway. Pure but for chance. */
final class UpstreamFinder {
  private final Scene scene;
  private final RandomGenerator random;

  UpstreamFinder(Scene scene, RandomGenerator random) {
    this.scene = scene;
    this.random = random;
  }

  /** Behind an address: an endpoint of its service, or else the workload itself. */
  Upstream byAddress(NetworkAddress address, int port, ResolutionMode mode) {
    Service service = scene.view().service(address, scene.call().source().namespace());
    if (service == null) {
      Workload workload = scene.view().workload(address);
      return workload == null
          ? new Upstream.Missing()
          : new Upstream.Chosen(workload, port, null, address.ip(), 0);
    }
    if (service.mode() == LoadBalancer.Mode.PASSTHROUGH) {
      if (scene.trace().isOn()) {
        scene.trace().step(new RouteStep.OriginalDestinationKept(service));
      }
      return new Upstream.OriginalDestination();
    }
    return endpoint(service, port, mode, address.ip());
  }

  /** A waypoint; null when there is none. */
  Upstream.@Nullable Chosen waypoint(GatewayAddress waypoint) {
    scene.met().accept(waypoint.destination());
    return named(waypoint, ResolutionMode.WAYPOINT);
  }

  /** A gateway into a network, the one that is named or one of the others; null: there is none. */
  Upstream.@Nullable Chosen gateway(GatewayAddress gateway, String network) {
    GatewayGroup.Chosen chosen = new GatewayGroup(scene).choose(gateway, network, random);
    return chosen == null
        ? named(gateway, ResolutionMode.GATEWAY)
        : new Upstream.Chosen(
            chosen.workload(), chosen.port(), null, wanted(gateway), chosen.others());
  }

  private Upstream.@Nullable Chosen named(GatewayAddress gateway, ResolutionMode mode) {
    Upstream upstream =
        switch (gateway.destination()) {
          case NetworkAddress address -> byAddress(address, gateway.hboneMtlsPort(), mode);
          case NamespacedHostname hostname -> byHostname(hostname, gateway.hboneMtlsPort(), mode);
        };
    return upstream instanceof Upstream.Chosen chosen ? chosen : null;
  }

  /** An address of the family that is preferred: that of the reference, whatever the caller's. */
  private InetAddress wanted(GatewayAddress gateway) {
    return switch (gateway.destination()) {
      case NetworkAddress address -> address.ip();
      case NamespacedHostname _ -> scene.call().target().getAddress();
    };
  }

  private Upstream byHostname(NamespacedHostname hostname, int port, ResolutionMode mode) {
    InetAddress wanted = scene.call().target().getAddress();
    Addressable found = scene.view().find(hostname);
    return switch (found) {
      case null -> new Upstream.Missing();
      case Service service -> endpoint(service, port, mode, wanted);
      case Workload workload -> new Upstream.Chosen(workload, port, null, wanted, 0);
    };
  }

  private Upstream endpoint(Service service, int port, ResolutionMode mode, InetAddress wanted) {
    EndpointChoice choice = new EndpointChoice(scene, service, port, mode, random);
    Workload workload = choice.choose();
    int targetPort = workload == null ? PortMap.ABSENT : choice.targetPort(workload);
    if (scene.trace().isOn()) {
      choice.explain();
      scene
          .trace()
          .step(
              workload == null || targetPort == PortMap.ABSENT
                  ? new RouteStep.NoEndpointChosen(service, port)
                  : new RouteStep.EndpointChosen(
                      service, port, workload, targetPort, choice.candidates(), choice.avoided()));
    }
    return workload == null || targetPort == PortMap.ABSENT
        ? new Upstream.Missing()
        : new Upstream.Chosen(workload, targetPort, service, wanted, choice.others());
  }
}
