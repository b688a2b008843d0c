package io.ztunnel.routing;

import io.ztunnel.mesh.EndpointSet;
import io.ztunnel.mesh.LoadBalancer;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.PortMap;
import io.ztunnel.mesh.Protocol;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.Workload;
import java.util.Set;
import java.util.function.Predicate;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Chooses an endpoint of a service for a gateway: one of its own network that takes tunnels, the
 * nearest by the service's preferences, and of those the one with the fewest tunnels for its
 * capacity. One that failed lately is chosen only when there is no other, and one that failed for
 * this very tunnel only when there is none of those either. Confined to the thread that chooses.
 *
 * <p>Few endpoints are all compared. Of many, two are drawn by capacity and compared, which keeps
 * loads nearly as even at a fixed cost.
 */
final class GatewayChoice {
  /** Up to so many are compared with each other. */
  private static final int FEW = 32;

  /** How often one is drawn for each of the two, before all are looked at. */
  private static final int DRAWS = 8;

  private final MeshView view;
  private final String network;
  private final Service service;
  private final EndpointSet endpoints;
  private final int port;
  private final ResolutionMode mode;
  private final Set<String> failed;
  private final Predicate<String> setAside;
  private final EndpointLoads loads;
  private final RandomGenerator random;
  private final Nearness nearness;

  private int candidates;
  private int bestTier;
  private int bestRank;
  private int ties;
  private @Nullable Workload best;

  GatewayChoice(
      MeshView view,
      String network,
      GatewayCall call,
      Service service,
      int port,
      ResolutionMode mode,
      Predicate<String> setAside,
      EndpointLoads loads,
      RandomGenerator random) {
    this.view = view;
    this.network = network;
    this.service = service;
    this.endpoints = service.endpoints();
    this.port = port;
    this.mode = mode;
    this.failed = call.failed();
    this.setAside = setAside;
    this.loads = loads;
    this.random = random;
    Workload gateway = call.gateway();
    this.nearness =
        gateway == null
            ? Nearness.to(scope -> scope == LoadBalancer.Scope.NETWORK ? network : "", service)
            : Nearness.to(gateway, service);
  }

  /** The workload; null when there is none that can be used. */
  @Nullable Workload choose() {
    if (endpoints.size() > FEW && !endpoints.hasNamed()) {
      Workload drawn = lessLoadedOfTwo();
      if (drawn != null) {
        candidates = endpoints.size();
        return drawn;
      }
    }
    endpoints.forEachWorkload(workload -> consider(workload, endpoints.ports(workload)));
    endpoints.forEachNamed(
        endpoint -> {
          Workload workload = view.workload(endpoint.workloadUid());
          if (workload != null) {
            consider(workload, endpoint.ports());
          }
        });
    return best;
  }

  /** How many could be tried if the one chosen failed; a guess when there are many. */
  int others() {
    return Math.max(candidates - 1 - failed.size(), 0);
  }

  private @Nullable Workload lessLoadedOfTwo() {
    NearestGroups nearest = NearestGroups.of(endpoints, nearness);
    Workload first = draw(nearest);
    Workload second = first == null ? null : draw(nearest);
    return first != null && second != null && compareLoads(second, first) < 0 ? second : first;
  }

  private @Nullable Workload draw(NearestGroups nearest) {
    for (int i = 0; i < DRAWS && !nearest.isEmpty(); i++) {
      Workload workload = nearest.draw(random);
      if (canServe(workload, endpoints.ports(workload)) && tier(workload) == 0) {
        return workload;
      }
    }
    return null;
  }

  private void consider(Workload workload, PortMap ports) {
    int rank = nearness.of(workload);
    if (rank < 0 || workload.capacity() == 0 || !canServe(workload, ports)) {
      return;
    }
    candidates++;
    int tier = tier(workload);
    int better = best == null ? -1 : compare(workload, tier, rank, best);
    if (better < 0) {
      best = workload;
      bestTier = tier;
      bestRank = rank;
      ties = 1;
    } else if (better == 0 && random.nextInt(++ties) == 0) {
      best = workload; // each of those that are equal has the same chance in the end
    }
  }

  private int compare(Workload workload, int tier, int rank, Workload present) {
    if (tier != bestTier) {
      return Integer.compare(tier, bestTier);
    }
    return rank == bestRank ? compareLoads(workload, present) : Integer.compare(bestRank, rank);
  }

  /** By the tunnels per capacity that each would have with one more. */
  private int compareLoads(Workload one, Workload other) {
    long ofOne = (loads.of(one.uid()) + 1L) * other.capacity();
    long ofOther = (loads.of(other.uid()) + 1L) * one.capacity();
    return Long.compare(ofOne, ofOther);
  }

  private int tier(Workload workload) {
    String uid = workload.uid();
    if (failed.contains(uid)) {
      return 2;
    }
    return setAside.test(uid) ? 1 : 0;
  }

  private boolean canServe(Workload workload, PortMap ports) {
    return workload.network().equals(network)
        && workload.hasIps()
        && takesTunnels(workload)
        && servesPort(ports);
  }

  /** A waypoint always does. */
  private boolean takesTunnels(Workload workload) {
    return switch (mode) {
      case STANDARD -> workload.protocol() == Protocol.HBONE || workload.nativeTunnel();
      case WAYPOINT -> true;
    };
  }

  private boolean servesPort(PortMap ports) {
    return switch (mode) {
      case STANDARD -> service.ports().target(port) != 0 || ports.contains(port);
      case WAYPOINT -> true;
    };
  }
}
