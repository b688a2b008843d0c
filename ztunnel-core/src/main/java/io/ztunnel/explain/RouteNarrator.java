package io.ztunnel.explain;

import io.ztunnel.hbone.Authority;
import io.ztunnel.mesh.Cidr;
import io.ztunnel.mesh.GatewayAddress;
import io.ztunnel.mesh.IpBits;
import io.ztunnel.mesh.IpText;
import io.ztunnel.mesh.LoadBalancer;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.NetworkAddress;
import io.ztunnel.mesh.NetworkCidr;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.Spelled;
import io.ztunnel.mesh.Workload;
import io.ztunnel.routing.EndpointFate;
import io.ztunnel.routing.GatewayCall;
import io.ztunnel.routing.RouteStep;
import io.ztunnel.routing.RouteTrace;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Tells the steps of the router in words, with what an operator would ask next: which address of a
 * service it was, who else has it, which workloads are not endpoints for want of health. Confined
 * to the thread that explains.
 */
final class RouteNarrator implements RouteTrace {
  /** Of a service with more endpoints only so many are named. */
  private static final int MAX_ENDPOINTS = 100;

  private final MeshView view;
  private final Steps steps;
  private final Function<String, Optional<Duration>> setAsideFor;
  private final boolean onDemand;
  private int endpoints;
  private boolean waypoint;

  /**
   * @param setAsideFor for how long a workload has been avoided
   */
  RouteNarrator(
      MeshView view,
      Steps steps,
      Function<String, Optional<Duration>> setAsideFor,
      boolean onDemand) {
    this.view = view;
    this.steps = steps;
    this.setAsideFor = setAsideFor;
    this.onDemand = onDemand;
  }

  /** Whether the connection goes to a waypoint rather than to the destination itself. */
  boolean isToWaypoint() {
    return waypoint;
  }

  @Override
  public boolean isOn() {
    return true;
  }

  /** Tells what a connection does about something unknown. */
  void askedFor() {
    if (onDemand) {
      steps.detail("a connection would have the control plane asked for it");
    }
  }

  @Override
  public void step(RouteStep step) {
    switch (step) {
      case RouteStep.AddressKnown(NetworkAddress address, String namespace, Workload workload) -> {
        steps.add("address %s is %s".formatted(address, describe(workload)));
        othersAt(address, namespace, null);
      }
      case RouteStep.AddressKnown(NetworkAddress address, String namespace, Service service) -> {
        steps.add("address %s is %s".formatted(address, describe(service, address)));
        othersAt(address, namespace, service);
      }
      case RouteStep.AddressUnknown(NetworkAddress address, String namespace) -> {
        steps.add("address %s is not known to the mesh".formatted(address));
        askedFor();
        othersAt(address, namespace, null);
      }
      case RouteStep.ServiceWaypoint(Service service, GatewayAddress gateway) -> {
        waypoint = true;
        int weighted = service.waypoints().weighted().size();
        steps.add(
            "service %s has waypoint %s%s"
                .formatted(
                    service.key(),
                    text(gateway),
                    weighted < 2 ? "" : ", drawn by weight from " + weighted));
      }
      case RouteStep.WorkloadWaypoint(Workload workload, GatewayAddress gateway) -> {
        waypoint = true;
        steps.add("workload %s has waypoint %s".formatted(workload.uid(), text(gateway)));
      }
      case RouteStep.FromTheWaypoint(Workload workload, GatewayAddress gateway) ->
          steps.add(
              "workload %s has waypoint %s, which the connection comes from"
                  .formatted(workload.uid(), text(gateway)));
      case RouteStep.ThroughGateway(Workload workload, GatewayAddress gateway) ->
          steps.add(
              "%s is in network %s, behind gateway %s"
                  .formatted(workload.uid(), workload.network(), text(gateway)));
      case RouteStep.GatewayJudged(Workload gateway, EndpointFate fate) ->
          steps.detail("gateway " + judged(gateway.uid(), fate));
      case RouteStep.OriginalDestinationKept(Service service) ->
          steps.add("service %s is Passthrough: no endpoint is chosen".formatted(service.key()));
      case RouteStep.ServiceEntered(Service service, int port) -> {
        endpoints = 0;
        steps.add(
            "endpoints of service %s for its port %d: %d known; %s"
                .formatted(service.key(), port, service.endpoints().size(), balancing(service)));
        unhealthy(service);
      }
      case RouteStep.PortUnknown(Service service, int port) ->
          steps.detail(
              "the service has no port %d (it has %s)"
                  .formatted(port, service.ports().asMap().keySet()));
      case RouteStep.EndpointJudged judged -> endpoint(judged);
      case RouteStep.EndpointChosen chosen -> {
        moreEndpoints();
        steps.detail(
            "chosen: %s, target port %d, one of %d that can be used, %d of them avoided"
                .formatted(
                    chosen.workload().uid(),
                    chosen.targetPort(),
                    chosen.candidates(),
                    chosen.avoided()));
      }
      case RouteStep.NoEndpointChosen _ -> {
        moreEndpoints();
        steps.detail("chosen: none");
      }
      case RouteStep.ServiceNamed(Authority authority, Service service) ->
          steps.add(
              "authority %s names service %s, visibility %s"
                  .formatted(authority, service.key(), service.visibility().text()));
      case RouteStep.ExportJudged(Service service, boolean exported, String reason) ->
          steps.add(
              "service %s is %s to other networks: %s"
                  .formatted(service.key(), exported ? "exported" : "not exported", reason));
      case RouteStep.WaypointNotPassed(Service service, GatewayCall.Caller caller) ->
          steps.add(
              "service %s has a waypoint, which a caller of kind %s does not pass"
                  .formatted(service.key(), caller.text()));
      case RouteStep.EndpointLoaded(int tunnels, long capacity) -> {
        if (endpoints <= MAX_ENDPOINTS) {
          steps.detail("  with tunnels: %d, capacity: %d".formatted(tunnels, capacity));
        }
      }
      case RouteStep.LeastLoadedChosen(Workload workload, int candidates) -> {
        moreEndpoints();
        steps.detail(
            "chosen for a client without tunnels: %s, the nearest with the fewest for its capacity, of %d"
                .formatted(workload.uid(), candidates));
      }
      case RouteStep.AddressSelected(Workload workload, var address) ->
          steps.add("address used of %s: %s".formatted(workload.uid(), IpText.of(address)));
    }
  }

  private void endpoint(RouteStep.EndpointJudged judged) {
    if (++endpoints <= MAX_ENDPOINTS) {
      steps.detail(
          judged(judged.workloadUid(), judged.fate())
              + (judged.rank() > 0 ? ", rank " + judged.rank() : ""));
    }
  }

  private String judged(String uid, EndpointFate fate) {
    Optional<Duration> aside =
        fate == EndpointFate.SET_ASIDE ? setAsideFor.apply(uid) : Optional.empty();
    return uid
        + ": "
        + fate.text()
        + aside.map(time -> ", set aside for " + time.toSeconds() + " s so far").orElse("");
  }

  private void moreEndpoints() {
    if (endpoints > MAX_ENDPOINTS) {
      steps.detail("and %d more".formatted(endpoints - MAX_ENDPOINTS));
    }
  }

  /** Workloads that say they serve it and are not among its endpoints. */
  private void unhealthy(Service service) {
    List<String> uids = new ArrayList<>();
    view.forEachWorkload(
        workload -> {
          if (workload.services().contains(service.key())
              && service.endpoints().get(workload.uid()) == null) {
            uids.add(workload.uid() + ": dropped: " + workload.status().text());
          }
        });
    uids.stream().sorted().limit(MAX_ENDPOINTS).forEach(steps::detail);
    if (uids.size() > MAX_ENDPOINTS) {
      steps.detail("and %d more that are not healthy".formatted(uids.size() - MAX_ENDPOINTS));
    }
  }

  /** Services that have the address too, and why it is not they. */
  private void othersAt(NetworkAddress address, String namespace, @Nullable Service taken) {
    for (Service service : view.sortedServices()) {
      String by = claim(service, address);
      if (by != null && (taken == null || !service.key().equals(taken.key()))) {
        steps.detail(
            service.visibleTo(namespace)
                ? "service %s has it too, by %s: not preferred".formatted(service.key(), by)
                : "service %s has it, by %s, hidden from namespace %s (visibility %s)"
                    .formatted(service.key(), by, namespace, service.visibility().text()));
      }
    }
  }

  /** By what a service has an address; null: it does not have it. */
  private static @Nullable String claim(Service service, NetworkAddress address) {
    if (service.vips().contains(address)) {
      return "its VIP";
    }
    Cidr longest = null;
    for (NetworkCidr range : service.cidrVips()) {
      if (range.network().equals(address.network())
          && range.cidr().contains(IpBits.of(address.ip()))
          && (longest == null || range.cidr().length() > longest.length())) {
        longest = range.cidr();
      }
    }
    return longest == null ? null : "its range " + longest;
  }

  private static String describe(Service service, NetworkAddress address) {
    return "service %s, by %s, visibility %s"
        .formatted(service.key(), claim(service, address), service.visibility().text());
  }

  private static String describe(Workload workload) {
    return "workload %s, protocol %s, network %s"
        .formatted(
            workload.uid(),
            workload.protocol().text(),
            workload.network().isEmpty() ? "(none)" : workload.network());
  }

  private static String balancing(Service service) {
    LoadBalancer balancer = service.loadBalancer();
    return balancer == null || balancer.routingPreferences().isEmpty()
        ? "mode " + service.mode().text()
        : "mode %s by %s"
            .formatted(
                service.mode().text(),
                balancer.routingPreferences().stream()
                    .map(Spelled::text)
                    .collect(Collectors.joining(", ")));
  }

  private static String text(GatewayAddress gateway) {
    return gateway.destination() + " port " + gateway.hboneMtlsPort();
  }
}
