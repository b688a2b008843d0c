package io.ztunnel.mesh;

import io.ztunnel.hbone.SpiffeId;
import java.net.Inet4Address;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A pod, or anything else with an identity and a way to reach it. There may be hundreds of
 * thousands: what is equal among many is one object, and a uid that follows from other pieces is
 * not kept (32 bytes for a usual pod). Immutable.
 */
public final class Workload implements Addressable, Resident {
  /** No address, or others than a single one of IPv4. */
  private static final int NO_V4 = 0;

  private final Profile profile;
  private final Location location;
  private final long nameTail;
  private final int v4;
  private final @Nullable Particulars particulars;

  private Workload(
      Profile profile,
      Location location,
      long nameTail,
      int v4,
      @Nullable Particulars particulars) {
    this.profile = profile;
    this.location = location;
    this.nameTail = nameTail;
    this.v4 = v4;
    this.particulars = particulars;
  }

  /**
   * Starts with what a workload is when nothing is said about it: plain TCP, healthy, capacity 1.
   *
   * @param uid the key; empty is a key too
   */
  public static Builder builder(String uid) {
    return new Builder(uid);
  }

  /** One whose uid follows from its other pieces, and whose only address is this one of IPv4. */
  static Workload pod(Profile profile, Location location, long nameTail, int v4) {
    return new Workload(profile, location, nameTail, v4, null);
  }

  /** What it shares with its deployment. */
  Profile profile() {
    return profile;
  }

  /** The key. */
  public String uid() {
    String own = ownUid();
    return own != null
        ? own
        : PodUid.text(clusterId(), namespace(), profile.namePrefix(), nameTail);
  }

  /** The uid if it does not follow from other pieces. */
  private @Nullable String ownUid() {
    return particulars == null ? null : particulars.uid();
  }

  /** Whether this is its uid. */
  boolean hasUid(String text) {
    String own = ownUid();
    return own != null
        ? own.equals(text)
        : PodUid.is(text, clusterId(), namespace(), profile.namePrefix(), nameTail);
  }

  @SuppressWarnings("ReferenceEquality") // the same parts are the same objects, most often
  boolean hasUidOf(Workload other) {
    String own = ownUid();
    if (own != null) {
      return other.hasUid(own);
    }
    String others = other.ownUid();
    if (others != null) {
      return hasUid(others);
    }
    if (profile == other.profile && location == other.location) {
      return nameTail == other.nameTail;
    }
    return uidHash() == other.uidHash() && hasUid(other.uid());
  }

  /** The hash code of the uid's text. */
  int uidHash() {
    String own = ownUid();
    return own != null
        ? own.hashCode()
        : PodUid.hash(clusterId(), namespace(), profile.namePrefix(), nameTail);
  }

  public String name() {
    if (nameTail == NameTail.NONE) {
      return profile.namePrefix();
    }
    StringBuilder name =
        new StringBuilder(profile.namePrefix().length() + NameTail.length(nameTail));
    NameTail.append(nameTail, name.append(profile.namePrefix()));
    return name.toString();
  }

  /** Trust domain, namespace and service account. */
  public SpiffeId identity() {
    return profile.identity();
  }

  public String namespace() {
    return profile.identity().namespace();
  }

  public String trustDomain() {
    return profile.identity().trustDomain();
  }

  public String serviceAccount() {
    return profile.identity().serviceAccount();
  }

  /** How it is reported. */
  WorkloadLabels labels() {
    return profile.labels();
  }

  public String workloadName() {
    return profile.labels().workloadName();
  }

  public String workloadType() {
    return profile.labels().type();
  }

  public String canonicalName() {
    return profile.labels().canonicalName();
  }

  public String canonicalRevision() {
    return profile.labels().canonicalRevision();
  }

  Location location() {
    return location;
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

  /** Its addresses, made anew by each call; none: by hostname or through the gateway only. */
  public List<InetAddress> ips() {
    if (v4 != NO_V4) {
      return List.of(
          Particulars.ip(
              new byte[] {(byte) (v4 >> 24), (byte) (v4 >> 16), (byte) (v4 >> 8), (byte) v4}));
    }
    List<InetAddress> others = particulars == null ? null : particulars.ips();
    return others == null ? List.of() : others;
  }

  public boolean hasIps() {
    return v4 != NO_V4 || !ips().isEmpty();
  }

  /** The first of its addresses that is of IPv6, or else the first of IPv4; null: none is. */
  public @Nullable InetAddress firstIp(boolean ipv6) {
    if (hasIp(ipv6)) {
      for (InetAddress ip : ips()) {
        if (ip instanceof Inet6Address == ipv6) {
          return ip;
        }
      }
    }
    return null;
  }

  /** Whether it has an address of IPv6, or else of IPv4. */
  boolean hasIp(boolean ipv6) {
    if (v4 != NO_V4) {
      return !ipv6;
    }
    return ips().stream().anyMatch(ip -> ip instanceof Inet6Address == ipv6);
  }

  /** The only address it has, if it is of IPv4; 0: it has others, or none. */
  int onlyV4() {
    return v4;
  }

  public String hostname() {
    return profile.reach().hostname();
  }

  public Protocol protocol() {
    return profile.reach().protocol();
  }

  public NetworkMode networkMode() {
    return profile.reach().networkMode();
  }

  public boolean nativeTunnel() {
    return profile.reach().nativeTunnel();
  }

  public @Nullable ApplicationTunnel applicationTunnel() {
    return profile.reach().applicationTunnel();
  }

  public @Nullable GatewayAddress waypoint() {
    return profile.reach().waypoint();
  }

  public @Nullable GatewayAddress networkGateway() {
    return profile.reach().networkGateway();
  }

  /** What it serves, and how well. */
  Serving serving() {
    return profile.serving();
  }

  public HealthStatus status() {
    return profile.serving().status();
  }

  public long capacity() {
    return profile.serving().capacity();
  }

  /** The keys of the services it belongs to. */
  public Set<NamespacedHostname> services() {
    return profile.serving().services().keySet();
  }

  /** The same in the order of their text, as {@code namespace/hostname}, for display. */
  public List<String> sortedServices() {
    return List.copyOf(profile.serving().sorted().keySet());
  }

  /** Where it serves the ports of a service. */
  PortMap ports(NamespacedHostname service) {
    return profile.serving().services().getOrDefault(service, PortMap.EMPTY);
  }

  /** Keys of the policies that select it by name. */
  public List<String> authorizationPolicies() {
    return profile.authorizationPolicies();
  }

  /** Name, namespace and service account: what the node agent knows of it. */
  public WorkloadInfo info() {
    return new WorkloadInfo(name(), namespace(), serviceAccount());
  }

  /** Whether this is what the node agent knows of it. */
  public boolean isKnownAs(WorkloadInfo info) {
    return serviceAccount().equals(info.serviceAccount())
        && namespace().equals(info.namespace())
        && info.name().startsWith(profile.namePrefix())
        && name().equals(info.name());
  }

  /** Whether it has the addresses of the other one. */
  boolean hasIpsOf(Workload other) {
    return v4 == other.v4 && (v4 != NO_V4 || ips().equals(other.ips()));
  }

  /** Whether it is at the same addresses, or has the same name, and is the same to TLS. */
  public boolean isReachedAs(Workload other) {
    return hasIpsOf(other)
        && hostname().equals(other.hostname())
        && identity().equals(other.identity());
  }

  /** Whether it is a pod and not, say, an entry somebody wrote for the same address. */
  boolean isPod() {
    String own = ownUid();
    return own == null || own.contains(PodUid.POD);
  }

  /** Whether it stands for a gateway into its network; only its uid tells (Istio). */
  public boolean isNetworkGateway() {
    String own = ownUid();
    return own != null && GatewayUid.is(own);
  }

  /**
   * The port of the gateway that this stands for.
   *
   * @param standard what is meant where the uid names none
   */
  public int networkGatewayPort(int standard) {
    return GatewayUid.port(uid(), standard);
  }

  Endpoint endpoint(PortMap ports) {
    return new Endpoint(uid(), ports, status());
  }

  /** The same workload, sharing its parts with others. */
  Workload sharing(Interner interner) {
    Location known = interner.find(location);
    return new Workload(
        profile.shared(interner),
        known != null ? known : interner.intern(location.shared(interner)),
        nameTail,
        v4,
        particulars);
  }

  @SuppressWarnings("ReferenceEquality") // the same parts are the same objects, most often
  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof Workload that
        && nameTail == that.nameTail
        && v4 == that.v4
        && (location == that.location || location.equals(that.location))
        && (profile == that.profile || profile.equals(that.profile))
        && Objects.equals(particulars, that.particulars);
  }

  @Override
  public int hashCode() {
    return 31 * uidHash() + v4;
  }

  /** As errors name it (Istio). */
  @Override
  public String toString() {
    return "Workload{%s with uid %s (%s)}".formatted(name(), uid(), protocol().text());
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

    Builder labels(WorkloadLabels value) {
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
      int start = NameTail.start(name);
      String prefix = name.substring(0, start);
      long tail = NameTail.of(name, start);
      boolean usualUid = PodUid.is(uid, clusterId, identity.namespace(), prefix, tail);
      int v4 =
          ips.size() == 1 && ips.getFirst() instanceof Inet4Address only
              ? ByAddress.number(only)
              : NO_V4;
      return new Workload(
          new Profile(
              prefix,
              identity,
              labels,
              new Reach(
                  hostname,
                  protocol,
                  networkMode,
                  nativeTunnel,
                  applicationTunnel,
                  waypoint,
                  networkGateway),
              new Serving(services, status, capacity),
              authorizationPolicies),
          new Location(network, node, clusterId, locality),
          tail,
          v4,
          Particulars.of(usualUid ? null : uid, ips.isEmpty() || v4 != NO_V4 ? null : ips));
    }
  }
}
