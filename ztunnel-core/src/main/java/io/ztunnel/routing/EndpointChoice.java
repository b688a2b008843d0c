package io.ztunnel.routing;

import io.ztunnel.mesh.Endpoint;
import io.ztunnel.mesh.EndpointSet;
import io.ztunnel.mesh.IpText;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.PortMap;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.Workload;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Chooses an endpoint of a service: those that can be reached and are nearest, by the service's
 * preferences, at random in proportion to their capacity (Istio). An endpoint set aside because it
 * failed lately is chosen only when there is no other, and one that failed for this very connection
 * only when there is none of those either. Confined to the thread that chooses.
 *
 * <p>Of many endpoints it draws one among the nearest, and again while the one drawn cannot be
 * used: each that can be used has then the same chance as if the others were not there. Only when
 * that fails repeatedly, or there are few, it goes through all of them.
 */
final class EndpointChoice {
  /** Up to so many are looked at one by one: what is said of them is exact then. */
  private static final int FEW = 32;

  /** How often one is drawn before all are looked at; in vain if most cannot be used. */
  private static final int DRAWS = 8;

  private final MeshView view;
  private final RouteTrace trace;
  private final Workload source;
  private final Service service;
  private final Nearness nearness;
  private final EndpointSet endpoints;
  private final int port;
  private final ResolutionMode mode;

  /** What a waypoint is asked for. */
  private final String target;

  private final Scene scene;
  private final RandomGenerator random;
  private final GatewayGroup gateways;
  private final TieredDraw draw;
  private final boolean isServed;
  private boolean isCounted;

  EndpointChoice(
      Scene scene, Service service, int port, ResolutionMode mode, RandomGenerator random) {
    this.view = scene.view();
    this.trace = scene.trace();
    this.source = scene.call().source();
    this.scene = scene;
    this.service = service;
    this.nearness = Nearness.to(source, service);
    this.endpoints = service.endpoints();
    this.random = random;
    this.port = port;
    this.mode = mode;
    target = mode == ResolutionMode.WAYPOINT ? IpText.of(scene.call().target()) : "";
    isServed = mode == ResolutionMode.WAYPOINT || service.ports().contains(port);
    gateways = new GatewayGroup(scene);
    draw = new TieredDraw(random);
  }

  /** The workload drawn; null when the service has no endpoint that can be used. */
  @Nullable Workload choose() {
    if (!isServed) {
      return null;
    }
    if (endpoints.size() > FEW && !endpoints.hasNamed()) {
      Workload drawn = drawNearest();
      if (drawn != null) {
        return drawn;
      }
    }
    considerAll();
    return draw.drawn();
  }

  /** How many endpoints can be used, the farther ones included. Looks at all of them. */
  int candidates() {
    considerAll();
    return draw.candidates();
  }

  /** How many of them are set aside or have failed for this connection. Looks at all of them. */
  int avoided() {
    considerAll();
    return draw.candidates() - draw.candidates(Tier.USABLE);
  }

  /**
   * How many could be tried if the one chosen failed; at most so many when there are more than a
   * few.
   */
  int others() {
    return isCounted
        ? draw.others()
        : Math.max(endpoints.size() - 1 - scene.call().failed().size(), 0);
  }

  /** Tells the trace of each endpoint by the rules of the choice. Looks at all there are. */
  void explain() {
    trace.step(new RouteStep.ServiceEntered(service, port));
    if (!isServed) {
      trace.step(new RouteStep.PortUnknown(service, port));
      return;
    }
    for (Endpoint endpoint : endpoints.sorted()) {
      Workload workload = view.workload(endpoint.workloadUid());
      int rank = workload == null ? -1 : nearness.of(workload);
      trace.step(
          new RouteStep.EndpointJudged(
              endpoint.workloadUid(), fate(endpoint, workload, rank), rank));
    }
  }

  private EndpointFate fate(Endpoint endpoint, @Nullable Workload workload, int rank) {
    if (workload == null) {
      return EndpointFate.WORKLOAD_UNKNOWN;
    }
    if (!isReachable(workload)) {
      return EndpointFate.UNREACHABLE;
    }
    if (!servesPort(workload, endpoint.ports())) {
      return EndpointFate.PORT_NOT_SERVED;
    }
    if (rank < 0) {
      return EndpointFate.TOO_FAR;
    }
    if (workload.capacity() == 0) {
      return EndpointFate.NO_CAPACITY;
    }
    Tier whole = scene.tier(workload.uid());
    Tier own = own(workload, endpoint.ports());
    Tier tier = tier(workload, endpoint.ports());
    if (!tier.equals(own) && tier != Tier.NO_WAY) {
      return EndpointFate.GATEWAYS_AVOIDED;
    }
    return tier.equals(Tier.ASIDE) && !tier.equals(whole)
        ? EndpointFate.APPLICATION_SET_ASIDE
        : tier.fate();
  }

  /** One of the nearest that can be used; null when it was not met in a few draws. */
  private @Nullable Workload drawNearest() {
    NearestGroups nearest = NearestGroups.of(endpoints, nearness);
    for (int i = 0; i < DRAWS && !nearest.isEmpty(); i++) {
      Workload workload = nearest.draw(random);
      PortMap ports = endpoints.ports(workload);
      if (canServe(workload, ports) && tier(workload, ports) == Tier.USABLE) {
        return workload;
      }
    }
    return null;
  }

  private void considerAll() {
    if (!isServed || isCounted) {
      return;
    }
    isCounted = true;
    endpoints.forEachWorkload(workload -> consider(workload, endpoints.ports(workload)));
    endpoints.forEachNamed(
        endpoint -> {
          Workload workload = view.workload(endpoint.workloadUid());
          if (workload != null) {
            consider(workload, endpoint.ports());
          }
        });
  }

  private void consider(Workload workload, PortMap ports) {
    int rank = nearness.of(workload);
    if (rank >= 0 && canServe(workload, ports)) {
      draw.offer(workload, rank, tier(workload, ports));
    }
  }

  private boolean canServe(Workload workload, PortMap ports) {
    return isReachable(workload) && servesPort(workload, ports);
  }

  /** One behind gateways is as good as the best of them at most. */
  private Tier tier(Workload workload, PortMap ports) {
    Tier own = own(workload, ports);
    return workload.network().equals(source.network()) || workload.networkGateway() == null
        ? own
        : own.orWorse(gateways.best(workload.networkGateway(), workload.network()));
  }

  /** Whatever is on the way to it. */
  private Tier own(Workload workload, PortMap ports) {
    return switch (mode) {
      case STANDARD -> scene.tier(workload.uid(), Integer.toString(targetPort(workload, ports)));
      case WAYPOINT -> scene.tier(workload.uid(), target);
      case GATEWAY -> scene.tier(workload.uid());
    };
  }

  /** One without an address can be reached in another network, through its gateway. */
  private boolean isReachable(Workload workload) {
    return workload.hasIps()
        || !workload.hostname().isEmpty()
        || (!workload.network().equals(source.network()) && workload.networkGateway() != null);
  }

  private boolean servesPort(Workload workload, PortMap ports) {
    return switch (mode) {
      case STANDARD, GATEWAY -> service.ports().target(port) != 0 || ports.contains(port);
      case WAYPOINT -> service.ports().contains(port) || workload.applicationTunnel() != null;
    };
  }

  /** The port of the chosen workload behind the service's port; {@link PortMap#ABSENT} if none. */
  int targetPort(Workload workload) {
    Endpoint endpoint = endpoints.get(workload.uid());
    return targetPort(workload, endpoint == null ? PortMap.EMPTY : endpoint.ports());
  }

  private int targetPort(Workload workload, PortMap ports) {
    int own = ports.target(port);
    if (own != PortMap.ABSENT) {
      return own;
    }
    int common = service.ports().target(port);
    if (common > 0) {
      return common;
    }
    boolean tunnelled =
        workload.applicationTunnel() != null && workload.applicationTunnel().hasPort();
    return tunnelled ? port : PortMap.ABSENT;
  }
}
