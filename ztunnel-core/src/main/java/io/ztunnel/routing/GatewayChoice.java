package io.ztunnel.routing;

import io.ztunnel.mesh.Endpoint;
import io.ztunnel.mesh.EndpointSet;
import io.ztunnel.mesh.LoadBalancer;
import io.ztunnel.mesh.PortMap;
import io.ztunnel.mesh.Protocol;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.Workload;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Chooses an endpoint of a service for a gateway: one of its own network that takes what is passed
 * on, the nearest by the service's preferences, and of those the one with the fewest tunnels for
 * its capacity. Before that, none has more of the tunnels of one client's connection than its share
 * of them: a node proxy keeps some for many connections of its pods, and they are spread over the
 * endpoints as these few tunnels are. One that failed lately is chosen only when there is no other,
 * and one that failed for this very tunnel only when there is none of those either. Confined to the
 * thread that chooses.
 *
 * <p>Few endpoints are all compared. Of many, two are drawn by capacity and compared, which keeps
 * loads nearly as even at a fixed cost; a client's few tunnels seldom meet at one of them.
 */
final class GatewayChoice {
  /** What an endpoint is to take. */
  enum Taking {
    /** A tunnel. */
    TUNNEL,
    /** A tunnel, as a waypoint: for whatever port. */
    WAYPOINT,
    /** A connection to its own target port. */
    CONNECTION
  }

  /** Up to so many are compared with each other. */
  private static final int FEW = 32;

  /** How often one is drawn for each of the two, before all are looked at. */
  private static final int DRAWS = 8;

  private final GatewayScene scene;
  private final Service service;
  private final EndpointSet endpoints;
  private final int port;
  private final Taking taking;
  private final Set<String> failed;
  private final Nearness nearness;

  private int candidates;
  private int bestTier;
  private int bestRank;

  /** Those of the best tier and rank so far. */
  private final List<Workload> best = new ArrayList<>();

  GatewayChoice(GatewayScene scene, Service service, int port, Taking taking) {
    this.scene = scene;
    this.service = service;
    this.endpoints = service.endpoints();
    this.port = port;
    this.taking = taking;
    this.failed = scene.call().failed();
    Workload gateway = scene.call().gateway();
    this.nearness =
        gateway == null
            ? Nearness.to(
                scope -> scope == LoadBalancer.Scope.NETWORK ? scene.network() : "", service)
            : Nearness.to(gateway, service);
  }

  /** The workload; null when there is none that can be used. */
  @Nullable Workload choose() {
    Workload chosen = few() ? null : lessLoadedOfTwo();
    if (chosen == null) {
      chosen = leastLoaded();
    } else {
      candidates = endpoints.size();
    }
    if (scene.trace().isOn()) {
      explain(chosen);
    }
    return chosen;
  }

  private boolean few() {
    return endpoints.size() <= FEW || endpoints.hasNamed();
  }

  private @Nullable Workload leastLoaded() {
    endpoints.forEachWorkload(workload -> consider(workload, endpoints.ports(workload)));
    endpoints.forEachNamed(
        endpoint -> {
          Workload workload = scene.view().workload(endpoint.workloadUid());
          if (workload != null) {
            consider(workload, endpoint.ports());
          }
        });
    return leastLoadedOfBest();
  }

  private @Nullable Workload leastLoadedOfBest() {
    long own = best.stream().mapToLong(this::ownTunnels).sum();
    long capacity = best.stream().mapToLong(Workload::capacity).sum();
    Workload chosen = null;
    int ties = 0;
    for (Workload each : best) {
      if (hasItsShare(each, own + 1, capacity)) {
        continue; // not all of them have, for one more was counted
      }
      int better = chosen == null ? -1 : compareLoads(each, chosen);
      if (better < 0) {
        chosen = each;
        ties = 1;
      } else if (better == 0 && scene.random().nextInt(++ties) == 0) {
        chosen = each; // each of those that are equal has the same chance in the end
      }
    }
    return chosen;
  }

  /** Whether it has what falls to it, rounded up, of so many tunnels of the client's connection. */
  private boolean hasItsShare(Workload workload, long tunnels, long capacity) {
    return ownTunnels(workload) >= Math.ceilDiv(tunnels * workload.capacity(), capacity);
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
      Workload workload = nearest.draw(scene.random());
      if (fate(workload, endpoints.ports(workload)) == EndpointFate.USABLE) {
        return workload;
      }
    }
    return null;
  }

  private void consider(Workload workload, PortMap ports) {
    int tier =
        switch (fate(workload, ports)) {
          case USABLE -> 0;
          case SET_ASIDE -> 1;
          case FAILED_ALREADY -> 2;
          case APPLICATION_SET_ASIDE,
              GATEWAYS_AVOIDED,
              NO_GATEWAY,
              WORKLOAD_UNKNOWN,
              UNREACHABLE,
              ELSEWHERE,
              NO_TUNNELS,
              PORT_NOT_SERVED,
              TOO_FAR,
              NO_CAPACITY ->
              -1;
        };
    if (tier < 0) {
      return;
    }
    candidates++;
    int rank = nearness.of(workload);
    int better = best.isEmpty() ? -1 : compare(tier, rank);
    if (better < 0) {
      best.clear();
      bestTier = tier;
      bestRank = rank;
    }
    if (better <= 0) {
      best.add(workload);
    }
  }

  private int compare(int tier, int rank) {
    return tier == bestTier ? Integer.compare(bestRank, rank) : Integer.compare(tier, bestTier);
  }

  /** By the tunnels per capacity that each would have with one more. */
  private int compareLoads(Workload one, Workload other) {
    long ofOne = (tunnels(one) + 1L) * other.capacity();
    long ofOther = (tunnels(other) + 1L) * one.capacity();
    return Long.compare(ofOne, ofOther);
  }

  private int tunnels(Workload workload) {
    return scene.loads().of(load(workload));
  }

  private int ownTunnels(Workload workload) {
    return scene.own().of(load(workload));
  }

  /** What an endpoint's tunnels are counted by. */
  EndpointLoads.Key load(Workload workload) {
    return new EndpointLoads.Key(service.key(), workload.uid());
  }

  private EndpointFate fate(Workload workload, PortMap ports) {
    if (!workload.network().equals(scene.network()) || !workload.hasIps()) {
      return EndpointFate.ELSEWHERE;
    }
    if (!takesTunnels(workload)) {
      return EndpointFate.NO_TUNNELS;
    }
    if (!servesPort(ports)) {
      return EndpointFate.PORT_NOT_SERVED;
    }
    if (nearness.of(workload) < 0) {
      return EndpointFate.TOO_FAR;
    }
    if (workload.capacity() == 0) {
      return EndpointFate.NO_CAPACITY;
    }
    if (failed.contains(workload.uid())) {
      return EndpointFate.FAILED_ALREADY;
    }
    return scene.setAside().test(workload.uid()) ? EndpointFate.SET_ASIDE : EndpointFate.USABLE;
  }

  /** A waypoint always does. */
  private boolean takesTunnels(Workload workload) {
    return switch (taking) {
      case TUNNEL -> workload.protocol() == Protocol.HBONE || workload.nativeTunnel();
      case WAYPOINT, CONNECTION -> true;
    };
  }

  private boolean servesPort(PortMap ports) {
    return switch (taking) {
      case TUNNEL -> service.ports().target(port) != 0 || ports.contains(port);
      case WAYPOINT -> true;
      case CONNECTION -> service.targetPort(ports, port) > 0;
    };
  }

  /** Tells of every endpoint, by the rules of the choice. */
  private void explain(@Nullable Workload chosen) {
    RouteTrace trace = scene.trace();
    trace.step(new RouteStep.ServiceEntered(service, port));
    for (Endpoint endpoint : endpoints.sorted()) {
      Workload workload = scene.view().workload(endpoint.workloadUid());
      if (workload == null) {
        trace.step(
            new RouteStep.EndpointJudged(
                endpoint.workloadUid(), EndpointFate.WORKLOAD_UNKNOWN, -1));
        continue;
      }
      EndpointFate fate = fate(workload, endpoint.ports());
      trace.step(new RouteStep.EndpointJudged(workload.uid(), fate, nearness.of(workload)));
      int tunnels = tunnels(workload);
      if (tunnels > 0) {
        trace.step(new RouteStep.EndpointLoaded(tunnels, workload.capacity()));
      }
    }
    trace.step(
        chosen == null
            ? new RouteStep.NoEndpointChosen(service, port)
            : new RouteStep.LeastLoadedChosen(chosen, candidates));
  }
}
