package io.ztunnel.mesh;

import io.ztunnel.hbone.SpiffeId;
import java.net.InetAddress;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A pod, or anything else with an identity and a way to reach it. Its parts are grouped by what is
 * shared between many workloads, because there may be hundreds of thousands; accessors for their
 * pieces are here. Immutable.
 *
 * @param uid the key; empty is a key too
 * @param identity trust domain, namespace and service account
 * @param authorizationPolicies keys of the policies that select it by name
 */
public record Workload(
    String uid,
    String name,
    SpiffeId identity,
    WorkloadLabels labels,
    Location location,
    Reach reach,
    Serving serving,
    List<String> authorizationPolicies)
    implements Addressable {
  public Workload {
    authorizationPolicies = List.copyOf(authorizationPolicies);
  }

  /**
   * Starts with what a workload is when nothing is said about it: plain TCP, healthy, capacity 1.
   */
  public static Builder builder(String uid) {
    return new Builder(uid);
  }

  @Override
  public String namespace() {
    return identity.namespace();
  }

  public String trustDomain() {
    return identity.trustDomain();
  }

  public String serviceAccount() {
    return identity.serviceAccount();
  }

  public String workloadName() {
    return labels.workloadName();
  }

  public String workloadType() {
    return labels.type();
  }

  public String canonicalName() {
    return labels.canonicalName();
  }

  public String canonicalRevision() {
    return labels.canonicalRevision();
  }

  public String network() {
    return location.network();
  }

  public String node() {
    return location.node();
  }

  public String clusterId() {
    return location.clusterId();
  }

  public Locality locality() {
    return location.locality();
  }

  public List<InetAddress> ips() {
    return reach.ips();
  }

  public String hostname() {
    return reach.hostname();
  }

  public Protocol protocol() {
    return reach.protocol();
  }

  public NetworkMode networkMode() {
    return reach.networkMode();
  }

  public boolean nativeTunnel() {
    return reach.nativeTunnel();
  }

  public @Nullable ApplicationTunnel applicationTunnel() {
    return reach.applicationTunnel();
  }

  public @Nullable GatewayAddress waypoint() {
    return reach.waypoint();
  }

  public @Nullable GatewayAddress networkGateway() {
    return reach.networkGateway();
  }

  public HealthStatus status() {
    return serving.status();
  }

  public long capacity() {
    return serving.capacity();
  }

  /** The keys of the services it belongs to. */
  public Set<NamespacedHostname> services() {
    return serving.services().keySet();
  }

  /** The same in the order of their text, as {@code namespace/hostname}, for display. */
  public List<String> sortedServices() {
    return List.copyOf(serving.sorted().keySet());
  }

  /** Name, namespace and service account: what the node agent knows of it. */
  public WorkloadInfo info() {
    return new WorkloadInfo(name, namespace(), serviceAccount());
  }

  /** Whether it is a pod and not, say, an entry somebody wrote for the same address. */
  boolean isPod() {
    return uid.contains("//Pod/");
  }

  Endpoint endpoint(PortMap ports) {
    return new Endpoint(uid, ports, status());
  }

  /** The same workload, sharing its parts with others. */
  Workload sharing(Interner interner) {
    Map<NamespacedHostname, PortMap> services = HashMap.newHashMap(serving.services().size());
    serving
        .services()
        .forEach((key, ports) -> services.put(interner.intern(key), interner.intern(ports)));
    return new Workload(
        uid,
        name,
        interner.intern(identity),
        interner.intern(labels),
        interner.intern(location),
        reach,
        interner.intern(new Serving(services, status(), capacity())),
        interner.intern(authorizationPolicies));
  }

  /** As errors name it (Istio). */
  @Override
  public String toString() {
    return "Workload{%s with uid %s (%s)}".formatted(name, uid, protocol().text());
  }

  /** Collects the pieces of a workload. Confined to the thread that uses it. */
  public static final class Builder {
    private final String uid;
    private String name = "";
    private SpiffeId identity = new SpiffeId("", "", "");
    private WorkloadLabels labels = WorkloadLabels.NONE;
    private String network = "";
    private String node = "";
    private String clusterId = "";
    private Locality locality = Locality.UNKNOWN;
    private List<InetAddress> ips = List.of();
    private String hostname = "";
    private Protocol protocol = Protocol.TCP;
    private NetworkMode networkMode = NetworkMode.STANDARD;
    private boolean nativeTunnel;
    private @Nullable ApplicationTunnel applicationTunnel;
    private @Nullable GatewayAddress waypoint;
    private @Nullable GatewayAddress networkGateway;
    private Map<NamespacedHostname, PortMap> services = Map.of();
    private HealthStatus status = HealthStatus.HEALTHY;
    private long capacity = 1;
    private List<String> authorizationPolicies = List.of();

    private Builder(String uid) {
      this.uid = uid;
    }

    public Builder name(String value) {
      name = value;
      return this;
    }

    public Builder identity(SpiffeId value) {
      identity = value;
      return this;
    }

    public Builder labels(WorkloadLabels value) {
      labels = value;
      return this;
    }

    public Builder network(String value) {
      network = value;
      return this;
    }

    public Builder node(String value) {
      node = value;
      return this;
    }

    public Builder clusterId(String value) {
      clusterId = value;
      return this;
    }

    public Builder locality(Locality value) {
      locality = value;
      return this;
    }

    public Builder ips(List<InetAddress> value) {
      ips = value;
      return this;
    }

    public Builder hostname(String value) {
      hostname = value;
      return this;
    }

    public Builder protocol(Protocol value) {
      protocol = value;
      return this;
    }

    public Builder networkMode(NetworkMode value) {
      networkMode = value;
      return this;
    }

    public Builder nativeTunnel(boolean value) {
      nativeTunnel = value;
      return this;
    }

    public Builder applicationTunnel(@Nullable ApplicationTunnel value) {
      applicationTunnel = value;
      return this;
    }

    public Builder waypoint(@Nullable GatewayAddress value) {
      waypoint = value;
      return this;
    }

    public Builder networkGateway(@Nullable GatewayAddress value) {
      networkGateway = value;
      return this;
    }

    public Builder services(Map<NamespacedHostname, PortMap> value) {
      services = value;
      return this;
    }

    public Builder status(HealthStatus value) {
      status = value;
      return this;
    }

    public Builder capacity(long value) {
      capacity = value;
      return this;
    }

    public Builder authorizationPolicies(List<String> value) {
      authorizationPolicies = value;
      return this;
    }

    public Workload build() {
      return new Workload(
          uid,
          name,
          identity,
          labels,
          new Location(network, node, clusterId, locality),
          new Reach(
              ips,
              hostname,
              protocol,
              networkMode,
              nativeTunnel,
              applicationTunnel,
              waypoint,
              networkGateway),
          new Serving(services, status, capacity),
          authorizationPolicies);
    }
  }
}
