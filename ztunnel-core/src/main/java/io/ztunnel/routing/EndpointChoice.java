package io.ztunnel.routing;

import io.ztunnel.mesh.Endpoint;
import io.ztunnel.mesh.LoadBalancer;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.PortMap;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.Workload;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Chooses an endpoint of a service: those that can be reached and are nearest, by the service's
 * preferences, at random in proportion to their capacity (Istio). An endpoint set aside because it
 * failed lately is chosen only when there is no other, and one that failed for this very connection
 * only when there is none of those either. Goes through the endpoints once and keeps none of them.
 * Confined to the thread that chooses.
 */
final class EndpointChoice {
  private final MeshView view;
  private final RouteTrace trace;
  private final Workload source;
  private final Service service;
  private final int port;
  private final ResolutionMode mode;
  private final Predicate<String> setAside;
  private final Set<String> failed;
  private final Draw usable;
  private final Draw aside;
  private final Draw last;

  EndpointChoice(
      Scene scene, Service service, int port, ResolutionMode mode, RandomGenerator random) {
    this.view = scene.view();
    this.trace = scene.trace();
    this.source = scene.call().source();
    this.setAside = scene.setAside();
    this.failed = scene.call().failed();
    this.service = service;
    this.port = port;
    this.mode = mode;
    usable = new Draw(random);
    aside = new Draw(random);
    last = new Draw(random);
  }

  /** The workload drawn; null when the service has no endpoint that can be used. */
  @Nullable Workload choose() {
    if (isPortKnown()) {
      service.endpoints().forEach(this::consider);
    }
    Workload drawn = usable.drawn != null ? usable.drawn : aside.drawn;
    return drawn != null ? drawn : last.drawn;
  }

  /** How many endpoints can be used, the farther ones included. */
  int candidates() {
    return usable.candidates + aside.candidates + last.candidates;
  }

  /** How many of them are set aside or have failed for this connection. */
  int avoided() {
    return aside.candidates + last.candidates;
  }

  /** How many could be tried if the one chosen failed. */
  int others() {
    return Math.max(usable.candidates + aside.candidates - 1, 0);
  }

  private boolean isPortKnown() {
    return mode == ResolutionMode.WAYPOINT || service.ports().contains(port);
  }

  /** Tells the trace of each endpoint by the rules of the choice. Looks at all there are. */
  void explain() {
    trace.step(new RouteStep.ServiceEntered(service, port));
    if (!isPortKnown()) {
      trace.step(new RouteStep.PortUnknown(service, port));
      return;
    }
    for (Endpoint endpoint : service.endpoints().sorted()) {
      Workload workload = view.workload(endpoint.workloadUid());
      int rank = workload == null ? -1 : rank(workload);
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
    if (!servesPort(endpoint, workload)) {
      return EndpointFate.PORT_NOT_SERVED;
    }
    if (rank < 0) {
      return EndpointFate.TOO_FAR;
    }
    if (workload.capacity() == 0) {
      return EndpointFate.NO_CAPACITY;
    }
    if (failed.contains(workload.uid())) {
      return EndpointFate.FAILED_ALREADY;
    }
    return setAside.test(workload.uid()) ? EndpointFate.SET_ASIDE : EndpointFate.USABLE;
  }

  private void consider(Endpoint endpoint) {
    Workload workload = view.workload(endpoint.workloadUid());
    if (workload == null || !isReachable(workload) || !servesPort(endpoint, workload)) {
      return;
    }
    int rank = rank(workload);
    if (rank >= 0) {
      draw(workload.uid()).offer(workload, rank);
    }
  }

  private Draw draw(String uid) {
    if (failed.contains(uid)) {
      return last;
    }
    return setAside.test(uid) ? aside : usable;
  }

  /** One without an address can be reached in another network, through its gateway. */
  private boolean isReachable(Workload workload) {
    return !workload.ips().isEmpty()
        || !workload.hostname().isEmpty()
        || (!workload.network().equals(source.network()) && workload.networkGateway() != null);
  }

  private boolean servesPort(Endpoint endpoint, Workload workload) {
    return switch (mode) {
      case STANDARD -> service.ports().target(port) != 0 || endpoint.ports().contains(port);
      case WAYPOINT -> service.ports().contains(port) || workload.applicationTunnel() != null;
    };
  }

  /** How near it is, the more the nearer; negative: not near enough. */
  private int rank(Workload workload) {
    LoadBalancer balancer = service.loadBalancer();
    return switch (service.mode()) {
      case STANDARD -> 0;
      case STRICT, FAILOVER, PASSTHROUGH -> balancer == null ? 0 : rank(workload, balancer);
    };
  }

  /**
   * The number of preferences met, from the first on. When the first is the network, an endpoint
   * elsewhere is still compared by the others, and every endpoint of this network beats it.
   */
  private int rank(Workload workload, LoadBalancer balancer) {
    List<LoadBalancer.Scope> preferences = balancer.routingPreferences();
    int met = 0;
    int bonus = 0;
    for (int i = 0; i < preferences.size(); i++) {
      boolean networkFirst = i == 0 && preferences.get(i) == LoadBalancer.Scope.NETWORK;
      if (preferences.get(i).same(source, workload)) {
        met++;
        bonus += networkFirst ? preferences.size() - 1 : 0;
      } else if (!networkFirst) {
        break;
      }
    }
    boolean tooFar = balancer.mode() == LoadBalancer.Mode.STRICT && met < preferences.size();
    return tooFar ? -1 : met + bonus;
  }

  /** The port of the chosen workload behind the service's port; {@link PortMap#ABSENT} if none. */
  int targetPort(Workload workload) {
    Endpoint endpoint = service.endpoints().get(workload.uid());
    int own = endpoint == null ? PortMap.ABSENT : endpoint.ports().target(port);
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

  /**
   * A draw among candidates that come one by one. Only those of the best rank count; a better one
   * begins the draw anew.
   */
  private static final class Draw {
    private final RandomGenerator random;
    private int candidates;
    private int bestRank = -1;
    private long total;
    private @Nullable Workload drawn;

    Draw(RandomGenerator random) {
      this.random = random;
    }

    void offer(Workload workload, int rank) {
      if (workload.capacity() == 0) {
        return;
      }
      candidates++;
      if (rank < bestRank) {
        return;
      }
      if (rank > bestRank) {
        bestRank = rank;
        total = 0;
      }
      total += workload.capacity();
      // Each has drawn with its share of the total in the end: the first always, the next if the
      // draw falls into what it adds.
      if (total == workload.capacity() || random.nextLong(total) < workload.capacity()) {
        drawn = workload;
      }
    }
  }
}
