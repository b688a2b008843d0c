package io.ztunnel.routing;

import io.ztunnel.mesh.Addressable;
import io.ztunnel.mesh.GatewayAddress;
import io.ztunnel.mesh.IpFamilies;
import io.ztunnel.mesh.IpText;
import io.ztunnel.mesh.LoadBalancer;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.NetworkAddress;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.ServiceName;
import io.ztunnel.mesh.Workload;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/** One outbound routing decision. Confined to the thread that decides. */
final class OutboundDecision {
  private final OutboundSettings settings;
  private final Scene scene;
  private final MeshView view;
  private final RouteTrace trace;
  private final RandomGenerator random;
  private final UpstreamFinder upstreams;
  private final Workload source;
  private final InetSocketAddress target;

  OutboundDecision(OutboundSettings settings, Scene scene, RandomGenerator random) {
    this.settings = settings;
    this.scene = scene;
    this.random = random;
    view = scene.view();
    trace = scene.trace();
    upstreams = new UpstreamFinder(scene, random);
    source = scene.call().source();
    target = scene.call().target();
  }

  RouteResult decide() {
    if (settings.reservedPorts().isSelfCall(target)) {
      return new RouteFailure.SelfCall();
    }
    Service addressed = addressedService();
    GatewayAddress waypoint = addressed == null ? null : addressed.waypoints().draw(random);
    if (addressed != null && waypoint != null) {
      return toServiceWaypoint(addressed, waypoint);
    }
    // Not the network of the lookup above: the workload's own may differ from its node's.
    NetworkAddress address = new NetworkAddress(source.network(), target.getAddress());
    return switch (upstreams.byAddress(address, target.getPort(), ResolutionMode.STANDARD)) {
      case Upstream.Chosen upstream -> toUpstream(addressed, upstream);
      case Upstream.Missing _, Upstream.OriginalDestination _ ->
          addressed == null || addressed.mode() == LoadBalancer.Mode.PASSTHROUGH
              ? new Route.Passthrough(target)
              : new RouteFailure.NoHealthyUpstream(target);
    };
  }

  /** The service that the application named; a workload of that address comes first. */
  private @Nullable Service addressedService() {
    NetworkAddress address = new NetworkAddress(settings.network(), target.getAddress());
    Addressable found = view.find(address, source.namespace());
    if (trace.isOn()) {
      trace.step(
          found == null
              ? new RouteStep.AddressUnknown(address, source.namespace())
              : new RouteStep.AddressKnown(address, source.namespace(), found));
    }
    return found instanceof Service service ? service : null;
  }

  private RouteResult toServiceWaypoint(Service addressed, GatewayAddress waypoint) {
    if (trace.isOn()) {
      trace.step(new RouteStep.ServiceWaypoint(addressed, waypoint));
    }
    Upstream.Chosen chosen = upstreams.waypoint(waypoint);
    if (chosen == null) {
      return new RouteFailure.UnknownWaypoint(waypoint.destination());
    }
    return chosen.workload().network().equals(source.network())
        ? tunnelToWaypoint(chosen, addressed.name())
        : throughGateway(addressed, chosen);
  }

  private RouteResult toUpstream(@Nullable Service addressed, Upstream.Chosen upstream) {
    Workload workload = upstream.workload();
    if (!workload.network().equals(source.network())) {
      return addressed == null
          ? new RouteFailure.NoService(target)
          : throughGateway(addressed, upstream);
    }
    GatewayAddress waypoint = workload.waypoint();
    if (addressed == null && waypoint != null) {
      boolean fromThere = isSourceTheWaypoint(waypoint);
      if (trace.isOn()) {
        trace.step(
            fromThere
                ? new RouteStep.FromTheWaypoint(workload, waypoint)
                : new RouteStep.WorkloadWaypoint(workload, waypoint));
      }
      if (fromThere) {
        return direct(upstream);
      }
      Upstream.Chosen chosen = upstreams.waypoint(waypoint);
      return chosen == null
          ? new RouteFailure.UnknownWaypoint(waypoint.destination())
          : tunnelToWaypoint(chosen, name(upstream.service()));
    }
    return direct(upstream);
  }

  private RouteResult direct(Upstream.Chosen upstream) {
    ServiceName service = name(upstream.service());
    String asked = Integer.toString(upstream.port());
    return withAddress(
        upstream,
        upstream.otherEndpoints(),
        asked,
        found -> {
          // A port of a pod that the application chose itself says nothing of the pod's services.
          PickedAddress picked = upstream.service() == null ? found.withoutKeys() : found;
          InetSocketAddress application = new InetSocketAddress(picked.ip(), upstream.port());
          return switch (upstream.workload().protocol()) {
            case TCP ->
                new Route.DirectTcp(hop(upstream, picked, application, List.of(), asked), service);
            case HBONE -> {
              InetSocketAddress proxy = new InetSocketAddress(picked.ip(), settings.hbonePort());
              Hop hop = hop(upstream, picked, proxy, acceptedHere(upstream), asked);
              yield new Route.Hbone(hop, IpText.of(application), service);
            }
          };
        });
  }

  /** The waypoint decides what to do with the address that the application asked for. */
  private RouteResult tunnelToWaypoint(Upstream.Chosen waypoint, @Nullable ServiceName service) {
    String asked = IpText.of(target);
    return withAddress(
        waypoint,
        waypoint.otherEndpoints(),
        asked,
        picked -> {
          InetSocketAddress address = new InetSocketAddress(picked.ip(), waypoint.port());
          Hop hop = hop(waypoint, picked, address, acceptedHere(waypoint), asked);
          return new Route.Hbone(hop, asked, service);
        });
  }

  private RouteResult throughGateway(Service addressed, Upstream.Chosen upstream) {
    GatewayAddress gateway = upstream.workload().networkGateway();
    if (gateway == null) {
      return new RouteFailure.NoValidDestination(upstream.workload());
    }
    if (trace.isOn()) {
      trace.step(new RouteStep.ThroughGateway(upstream.workload(), gateway));
    }
    Upstream.Chosen chosen = upstreams.gateway(gateway, upstream.workload().network());
    if (chosen == null) {
      return new RouteFailure.UnknownNetworkGateway(gateway.destination());
    }
    // The gateway knows the service by its own port: ports behind it are translated over there.
    String authority = addressed.hostname() + ":" + target.getPort();
    List<String> inner =
        upstream.service() == null
            ? List.of()
            : underAliases(upstream.service().peers().identities());
    int others = chosen.otherEndpoints() + upstream.otherEndpoints();
    return withAddress(
        chosen,
        others,
        "",
        picked -> {
          Hop hop =
              new Hop(
                  chosen.workload(),
                  new InetSocketAddress(picked.ip(), chosen.port()),
                  underAliases(acceptedIdentities(chosen)),
                  others + picked.others(),
                  picked.keys(),
                  "");
          return new Route.DoubleHbone(
              hop, upstream.workload().uid(), authority, inner, addressed.name());
        });
  }

  /** Whether the gateway would be dialled in another way for the same endpoint. */
  boolean isGatewayOtherwise(Route.DoubleHbone before) {
    Workload endpoint = view.workload(before.endpoint());
    if (endpoint == null || endpoint.networkGateway() == null) {
      return false;
    }
    Upstream.Chosen now = upstreams.gateway(endpoint.networkGateway(), endpoint.network());
    Hop gateway = before.gateway();
    return now != null
        && now.workload().uid().equals(gateway.workload().uid())
        && (now.port() != gateway.address().getPort()
            || !underAliases(acceptedIdentities(now)).equals(gateway.acceptedIdentities()));
  }

  /** Whether this connection comes from the waypoint itself, on its way to the destination. */
  private boolean isSourceTheWaypoint(GatewayAddress waypoint) {
    Addressable found = view.find(waypoint.destination(), source.namespace());
    return switch (found) {
      case null -> false;
      case Workload workload -> isSource(workload);
      case Service service ->
          service
              .endpoints()
              .anyMatch(
                  endpoint -> {
                    Workload workload = view.workload(endpoint.workloadUid());
                    return workload != null && isSource(workload);
                  });
    };
  }

  private boolean isSource(Workload workload) {
    return workload.identity().equals(source.identity())
        && workload.ips().contains(scene.call().sourceAddress());
  }

  /**
   * The address of a workload to use, or the question for a name service if it has only a name.
   *
   * @param asked what is asked for there; empty of a gateway
   */
  private RouteResult withAddress(
      Upstream.Chosen upstream, int others, String asked, Function<PickedAddress, Route> route) {
    InetAddress ip = selectedAddress(upstream);
    if (ip != null) {
      if (trace.isOn()) {
        trace.step(new RouteStep.AddressSelected(upstream.workload(), ip));
      }
      return route.apply(PickedAddress.ofRecord(upstream.workload(), ip));
    }
    return upstream.workload().hostname().isEmpty()
        ? new RouteFailure.NoValidDestination(upstream.workload())
        : new UnresolvedRoute(
            upstream.workload(),
            others,
            upstream.wanted(),
            key -> asked.isEmpty() ? scene.tier(key) : scene.tier(key, asked),
            route);
  }

  /**
   * The address that was asked for, if the workload has it; else the first of the same family that
   * the service allows; else the first that it allows.
   */
  private static @Nullable InetAddress selectedAddress(Upstream.Chosen upstream) {
    List<InetAddress> ips = upstream.workload().ips();
    if (ips.contains(upstream.wanted())) {
      return upstream.wanted();
    }
    IpFamilies families = upstream.service() == null ? null : upstream.service().ipFamilies();
    InetAddress first = null;
    for (InetAddress ip : ips) {
      if (families != null && !families.allows(ip)) {
        continue;
      }
      if (ip.getClass().equals(upstream.wanted().getClass())) {
        return ip;
      }
      if (first == null) {
        first = ip;
      }
    }
    return first;
  }

  private static Hop hop(
      Upstream.Chosen upstream,
      PickedAddress picked,
      InetSocketAddress address,
      List<String> acceptedIdentities,
      String application) {
    return new Hop(
        upstream.workload(),
        address,
        acceptedIdentities,
        upstream.otherEndpoints() + picked.others(),
        picked.keys(),
        application);
  }

  /** Those of a peer in this network. */
  private List<String> acceptedHere(Upstream.Chosen upstream) {
    List<String> accepted = acceptedIdentities(upstream);
    return upstream.workload().clusterId().equals(source.clusterId())
        ? accepted
        : underAliases(accepted);
  }

  /** As told, and as they may be in another cluster. */
  private List<String> underAliases(List<String> identities) {
    return settings.aliases().with(identities, source.identity().trustDomain());
  }

  /** Those of the service, and the workload's own. */
  private static List<String> acceptedIdentities(Upstream.Chosen upstream) {
    String own = upstream.workload().identity().toString();
    if (upstream.service() == null || upstream.service().peers().identities().isEmpty()) {
      return List.of(own);
    }
    Set<String> accepted = new LinkedHashSet<>(upstream.service().peers().identities());
    accepted.add(own);
    return List.copyOf(accepted);
  }

  private static @Nullable ServiceName name(@Nullable Service service) {
    return service == null ? null : service.name();
  }
}
