package io.ztunnel.routing;

import io.ztunnel.mesh.Addressable;
import io.ztunnel.mesh.GatewayAddress;
import io.ztunnel.mesh.NamespacedHostname;
import io.ztunnel.mesh.NetworkAddress;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.Workload;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * The gateways into a network, used together: an endpoint names one of them, and the control plane
 * tells of the others by workloads of their own (Istio has every endpoint name the first); they are
 * used even if the one that is named is not known. Where a service is named, its endpoints are the
 * gateways. Confined to the thread that decides.
 */
final class GatewayGroup {
  /** Where gateways take tunnels, unless the control plane says otherwise. */
  private static final int HBONE_PORT = 15_008;

  private final Scene scene;

  GatewayGroup(Scene scene) {
    this.scene = scene;
  }

  /** One of them, by capacity; null: a service is named, or there is none. */
  @Nullable Chosen choose(GatewayAddress named, String network, RandomGenerator random) {
    return switch (found(named)) {
      case null -> choose(null, named, others(network), random);
      case Service _ -> null;
      case Workload first -> choose(first, named, members(first, network), random);
    };
  }

  /**
   * Of these, which may be none.
   *
   * @param first the one that is named; null: it is not known
   */
  private @Nullable Chosen choose(
      @Nullable Workload first,
      GatewayAddress named,
      List<Workload> members,
      RandomGenerator random) {
    TieredDraw draw = new TieredDraw(random);
    for (Workload gateway : members) {
      Tier tier = scene.tier(gateway.uid());
      if (scene.trace().isOn()) {
        scene.trace().step(new RouteStep.GatewayJudged(gateway, tier.fate()));
      }
      draw.offer(gateway, 0, tier);
    }
    Workload drawn = draw.drawn();
    Workload gateway = drawn == null ? first : drawn;
    if (gateway == null) {
      return null;
    }
    int port =
        gateway.equals(first) ? named.hboneMtlsPort() : gateway.networkGatewayPort(HBONE_PORT);
    return new Chosen(gateway, port, draw.others());
  }

  /** What was drawn; others could be tried in its place. */
  record Chosen(Workload workload, int port, int others) {}

  /** The tier of the best of them; {@link Tier#NO_WAY} if there is none. */
  Tier best(GatewayAddress named, String network) {
    return switch (found(named)) {
      case null -> best(others(network));
      case Service service -> bestEndpoint(service);
      case Workload first -> best(members(first, network));
    };
  }

  private Tier best(List<Workload> members) {
    Tier best = Tier.NO_WAY;
    for (Workload gateway : members) {
      best = best.orBetter(scene.tier(gateway.uid()));
    }
    return best;
  }

  private Tier bestEndpoint(Service service) {
    if (service.endpoints().isEmpty()) {
      return Tier.NO_WAY;
    }
    if (service
        .endpoints()
        .anyMatch(endpoint -> scene.tier(endpoint.workloadUid()) == Tier.USABLE)) {
      return Tier.USABLE;
    }
    return service
            .endpoints()
            .anyMatch(endpoint -> scene.tier(endpoint.workloadUid()) == Tier.ASIDE)
        ? Tier.ASIDE
        : Tier.FAILED;
  }

  private @Nullable Addressable found(GatewayAddress gateway) {
    scene.met().accept(gateway.destination());
    return known(gateway);
  }

  private @Nullable Addressable known(GatewayAddress gateway) {
    return switch (gateway.destination()) {
      case NetworkAddress address -> {
        Service service = scene.view().service(address, scene.call().source().namespace());
        yield service != null ? service : atPort(scene.view().workload(address), gateway);
      }
      case NamespacedHostname hostname ->
          switch (scene.view().find(hostname)) {
            case null -> null;
            case Service service -> service;
            case Workload workload -> atPort(workload, gateway);
          };
    };
  }

  /**
   * Of gateways with one address or name, such as those at ports of a node, the one that is meant.
   */
  private @Nullable Workload atPort(@Nullable Workload found, GatewayAddress named) {
    if (found == null || isAt(named.hboneMtlsPort(), found)) {
      return found;
    }
    for (Workload other : scene.view().gateways(found.network())) {
      if (isAt(named.hboneMtlsPort(), other)
          && other.ips().equals(found.ips())
          && other.hostname().equals(found.hostname())) {
        return other;
      }
    }
    return found;
  }

  private static boolean isAt(int port, Workload gateway) {
    return gateway.isNetworkGateway() && gateway.networkGatewayPort(HBONE_PORT) == port;
  }

  /** The one that is named and, if it is one of those, the others into the network. */
  private List<Workload> members(Workload first, String network) {
    if (scene.view().gateways(network).size() < 2 || !first.isNetworkGateway()) {
      return List.of(first);
    }
    List<Workload> members = others(network);
    if (!members.contains(first)) {
      members.addFirst(first);
    }
    return members;
  }

  /** All that the control plane tells of by workloads of their own. */
  private List<Workload> others(String network) {
    List<Workload> all = new ArrayList<>(scene.view().gateways(network));
    all.removeIf(gateway -> !gateway.hasIps() && gateway.hostname().isEmpty());
    return all;
  }
}
