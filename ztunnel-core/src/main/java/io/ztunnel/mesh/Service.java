package io.ztunnel.mesh;

import java.util.List;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * A name and virtual addresses for a set of endpoints. Immutable; the endpoints are those of the
 * moment at which it was looked up.
 *
 * @param ports its ports; a target port of 0 means that each endpoint names its own
 * @param peers identities accepted from endpoints besides their own
 * @param loadBalancer null: all endpoints are equal, healthy ones only
 */
public record Service(
    ServiceName name,
    Vips addresses,
    PortMap ports,
    SubjectAltNames peers,
    Waypoints waypoints,
    @Nullable LoadBalancer loadBalancer,
    Traits traits,
    EndpointSet endpoints)
    implements Addressable {
  /** Starts with a public service without addresses, ports and endpoints. */
  public static Builder builder(ServiceName name) {
    return new Builder(name);
  }

  public String namespace() {
    return name.namespace();
  }

  public String hostname() {
    return name.hostname();
  }

  public NamespacedHostname key() {
    return name.key();
  }

  public List<NetworkAddress> vips() {
    return addresses.exact();
  }

  public List<NetworkCidr> cidrVips() {
    return addresses.ranges();
  }

  /** The accepted identities as given. */
  public List<String> subjectAltNames() {
    return peers.given();
  }

  public boolean canonical() {
    return traits.canonical();
  }

  public Visibility visibility() {
    return traits.visibility();
  }

  public @Nullable IpFamilies ipFamilies() {
    return traits.ipFamilies();
  }

  /** How endpoints are chosen. */
  public LoadBalancer.Mode mode() {
    return loadBalancer == null ? LoadBalancer.Mode.STANDARD : loadBalancer.mode();
  }

  /** Whether a client of this namespace may see it; null: a client that is not known. */
  public boolean visibleTo(@Nullable String clientNamespace) {
    return clientNamespace == null
        || visibility() == Visibility.PUBLIC
        || clientNamespace.equals(namespace());
  }

  /**
   * The port of a workload behind a port of the service; 0 or less if it serves none.
   *
   * @param workloadUid of an endpoint, or of a workload that is none
   */
  public int targetPort(String workloadUid, int port) {
    Endpoint endpoint = endpoints.get(workloadUid);
    return targetPort(endpoint == null ? PortMap.EMPTY : endpoint.ports(), port);
  }

  /** As above, of an endpoint with these ports: its own are stronger than the service's. */
  public int targetPort(PortMap own, int port) {
    int target = own.target(port);
    return target != PortMap.ABSENT ? target : ports.target(port);
  }

  /** What tells its endpoints apart when one is chosen. */
  List<LoadBalancer.Scope> preferences() {
    return loadBalancer == null || loadBalancer.mode() == LoadBalancer.Mode.STANDARD
        ? List.of()
        : loadBalancer.routingPreferences();
  }

  /** Whether an endpoint of this health may be chosen. */
  boolean accepts(HealthStatus status) {
    return status == HealthStatus.HEALTHY
        || (loadBalancer != null
            && loadBalancer.healthPolicy() == LoadBalancer.HealthPolicy.ALLOW_ALL);
  }

  /** Whether its endpoints are sorted as those of another version of it. */
  boolean acceptsAndPrefersAs(Service other) {
    return accepts(HealthStatus.UNHEALTHY) == other.accepts(HealthStatus.UNHEALTHY)
        && preferences().equals(other.preferences());
  }

  Service withEndpoints(EndpointSet changed) {
    return new Service(name, addresses, ports, peers, waypoints, loadBalancer, traits, changed);
  }

  /** Its virtual addresses. Immutable. */
  public record Vips(List<NetworkAddress> exact, List<NetworkCidr> ranges) {
    public Vips {
      exact = List.copyOf(exact);
      ranges = List.copyOf(ranges);
    }
  }

  /**
   * The waypoints that its traffic passes: one of the weighted ones, or else the only one.
   * Immutable.
   */
  public record Waypoints(@Nullable GatewayAddress only, List<WeightedWaypoint> weighted) {
    public static final Waypoints NONE = new Waypoints(null, List.of());

    /** The sum of weights at which the reference gives up (32 bits). */
    private static final long MAX_TOTAL_WEIGHT = 0xffff_ffffL;

    public Waypoints {
      weighted = List.copyOf(weighted);
    }

    /** The one for a new connection, drawn if there are several; null without any. */
    public @Nullable GatewayAddress draw(RandomGenerator random) {
      long total = 0;
      for (WeightedWaypoint waypoint : weighted) {
        total += waypoint.weight();
      }
      if (total == 0 || total > MAX_TOTAL_WEIGHT) {
        return only;
      }
      long drawn = random.nextLong(total);
      for (WeightedWaypoint waypoint : weighted) {
        drawn -= waypoint.weight();
        if (drawn < 0) {
          return waypoint.destination();
        }
      }
      throw new AssertionError("a draw of " + drawn + " is beyond all weights");
    }
  }

  /**
   * What else is particular about it. Immutable.
   *
   * @param canonical whether it wins over others of its name (the Kubernetes service itself)
   * @param ipFamilies which addresses of its endpoints may be used; null: any
   * @param ingress what becomes of connections of ingress gateways
   */
  public record Traits(
      boolean canonical,
      Visibility visibility,
      @Nullable IpFamilies ipFamilies,
      IngressPath ingress) {}

  /** Where the connections of an ingress gateway go, of a service that has a waypoint. */
  public enum IngressPath {
    /** To the endpoints: the ingress gateway has done what a waypoint does. */
    DIRECT,
    /** To the waypoint as those of others. */
    WAYPOINT
  }

  /** Who may see a service. */
  public enum Visibility implements Spelled {
    PUBLIC("Public"),
    /** Clients of its own namespace. */
    NAMESPACE("Namespace");

    private final String text;

    Visibility(String text) {
      this.text = text;
    }

    @Override
    public String text() {
      return text;
    }
  }

  /** Collects the pieces of a service. Confined to the thread that uses it. */
  public static final class Builder {
    private final ServiceName name;
    private List<NetworkAddress> vips = List.of();
    private List<NetworkCidr> cidrVips = List.of();
    private PortMap ports = PortMap.EMPTY;
    private List<String> subjectAltNames = List.of();
    private @Nullable GatewayAddress waypoint;
    private List<WeightedWaypoint> weightedWaypoints = List.of();
    private @Nullable LoadBalancer loadBalancer;
    private boolean canonical;
    private Visibility visibility = Visibility.PUBLIC;
    private @Nullable IpFamilies ipFamilies;
    private IngressPath ingress = IngressPath.DIRECT;
    private List<Endpoint> endpoints = List.of();

    private Builder(ServiceName name) {
      this.name = name;
    }

    public Builder vips(List<NetworkAddress> value) {
      vips = value;
      return this;
    }

    public Builder cidrVips(List<NetworkCidr> value) {
      cidrVips = value;
      return this;
    }

    public Builder ports(PortMap value) {
      ports = value;
      return this;
    }

    public Builder subjectAltNames(List<String> value) {
      subjectAltNames = value;
      return this;
    }

    public Builder waypoint(@Nullable GatewayAddress value) {
      waypoint = value;
      return this;
    }

    public Builder weightedWaypoints(List<WeightedWaypoint> value) {
      weightedWaypoints = value;
      return this;
    }

    public Builder loadBalancer(@Nullable LoadBalancer value) {
      loadBalancer = value;
      return this;
    }

    public Builder canonical(boolean value) {
      canonical = value;
      return this;
    }

    public Builder visibility(Visibility value) {
      visibility = value;
      return this;
    }

    public Builder ipFamilies(@Nullable IpFamilies value) {
      ipFamilies = value;
      return this;
    }

    public Builder ingress(IngressPath value) {
      ingress = value;
      return this;
    }

    public Builder endpoints(List<Endpoint> value) {
      endpoints = value;
      return this;
    }

    public Service build() {
      return new Service(
          name,
          new Vips(vips, cidrVips),
          ports,
          SubjectAltNames.of(subjectAltNames),
          waypoint == null && weightedWaypoints.isEmpty()
              ? Waypoints.NONE
              : new Waypoints(waypoint, weightedWaypoints),
          loadBalancer,
          new Traits(canonical, visibility, ipFamilies, ingress),
          EndpointSet.of(name.key(), endpoints));
    }
  }
}
