package io.ztunnel.mesh;

import io.ztunnel.hbone.SpiffeId;
import java.io.IOException;
import java.net.InetAddress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * {@code istio.workload.Workload} as it is read. Fields that come twice are merged as protobuf has
 * it; what they mean is judged at the end. Confined to the thread that uses it.
 */
final class WorkloadProto {
  private static final String DEFAULT_TRUST_DOMAIN = "cluster.local";
  private static final String DEFAULT_SERVICE_ACCOUNT = "default";
  private static final String DEFAULT_CLUSTER = "Kubernetes";
  private static final List<String> TYPES = List.of("deployment", "cronjob", "pod", "job");
  private static final long UINT32 = 0xffff_ffffL;

  private String uid = "";
  private String name = "";
  private String namespace = "";
  private final List<byte[]> addresses = new ArrayList<>(1);
  private String network = "";
  private int tunnelProtocol;
  private String trustDomain = "";
  private String serviceAccount = "";
  private @Nullable GatewayProto waypoint;
  private String node = "";
  private String canonicalName = "";
  private String canonicalRevision = "";
  private int workloadType;
  private String workloadName = "";
  private boolean nativeTunnel;
  private final List<String> authorizationPolicies = new ArrayList<>(0);
  private int status;
  private String clusterId = "";
  private @Nullable GatewayProto networkGateway;
  private String hostname = "";
  private final Map<String, PortMap> services = new LinkedHashMap<>(4);
  private boolean hasTunnel;
  private int tunnelKind;
  private int tunnelPort;
  private String region = "";
  private String zone = "";
  private String subzone = "";
  private int networkMode;
  private long capacity = 1;

  void read(ProtoReader in, int tag) throws IOException {
    switch (ProtoReader.field(tag)) {
      case 1 -> name = in.ownString(tag);
      case 2 -> namespace = in.string(tag);
      case 3 -> addresses.add(in.bytes(tag));
      case 4 -> network = in.string(tag);
      case 5 -> tunnelProtocol = in.number(tag);
      case 6 -> trustDomain = in.string(tag);
      case 7 -> serviceAccount = in.string(tag);
      case 8 -> waypoint = GatewayProto.merge(waypoint, in, tag);
      case 9 -> node = in.string(tag);
      case 10 -> canonicalName = in.string(tag);
      case 11 -> canonicalRevision = in.string(tag);
      case 12 -> workloadType = in.number(tag);
      case 13 -> workloadName = in.string(tag);
      case 14 -> nativeTunnel = in.flag(tag);
      case 16 -> authorizationPolicies.add(in.string(tag));
      case 17 -> status = in.number(tag);
      case 18 -> clusterId = in.string(tag);
      case 19 -> networkGateway = GatewayProto.merge(networkGateway, in, tag);
      case 20 -> uid = in.ownString(tag);
      case 21 -> hostname = in.string(tag);
      case 22 -> readService(in, tag);
      case 23 -> {
        hasTunnel = true;
        in.message(tag, this::readTunnel);
      }
      case 24 -> in.message(tag, this::readLocality);
      case 25 -> networkMode = in.number(tag);
      case 27 -> readCapacity(in, tag);
      default -> in.skip(tag);
    }
  }

  /** An entry of the map: of two with one key the later stays. */
  private void readService(ProtoReader in, int tag) throws IOException {
    ServiceEntry entry = new ServiceEntry();
    in.message(tag, entry::read);
    services.put(entry.key, entry.ports.build());
  }

  private void readTunnel(ProtoReader in, int tag) throws IOException {
    switch (ProtoReader.field(tag)) {
      case 1 -> tunnelKind = in.number(tag);
      case 2 -> tunnelPort = in.number(tag);
      default -> in.skip(tag);
    }
  }

  private void readLocality(ProtoReader in, int tag) throws IOException {
    switch (ProtoReader.field(tag)) {
      case 1 -> region = in.string(tag);
      case 2 -> zone = in.string(tag);
      case 3 -> subzone = in.string(tag);
      default -> in.skip(tag);
    }
  }

  /** A {@code UInt32Value}: one that is there without a value is 0. */
  private void readCapacity(ProtoReader in, int tag) throws IOException {
    capacity = 0;
    in.message(
        tag,
        (value, inner) -> {
          if (ProtoReader.field(inner) == 1) {
            capacity = value.number(inner) & UINT32;
          } else {
            value.skip(inner);
          }
        });
  }

  /** The workload; the order of the checks is the reference's. */
  Workload build() throws ResourceException {
    return Workload.builder(uid)
        .name(name)
        .waypoint(waypoint == null ? null : waypoint.build())
        .networkGateway(networkGateway == null ? null : networkGateway.build())
        .applicationTunnel(applicationTunnel())
        .ips(ips())
        .services(services())
        .protocol(protocol())
        .networkMode(
            ProtoChoice.of(
                "network_mode",
                networkMode,
                List.of(NetworkMode.STANDARD, NetworkMode.HOST_NETWORK)))
        .status(
            ProtoChoice.of("status", status, List.of(HealthStatus.HEALTHY, HealthStatus.UNHEALTHY)))
        .identity(
            new SpiffeId(
                orElse(trustDomain, DEFAULT_TRUST_DOMAIN),
                namespace,
                orElse(serviceAccount, DEFAULT_SERVICE_ACCOUNT)))
        .labels(new WorkloadLabels(workloadName, type(), canonicalName, canonicalRevision))
        .network(network)
        .node(node)
        .clusterId(orElse(clusterId, DEFAULT_CLUSTER))
        .locality(new Locality(region, zone, subzone))
        .hostname(hostname)
        .nativeTunnel(nativeTunnel)
        .capacity(capacity)
        .authorizationPolicies(authorizationPolicies)
        .build();
  }

  private @Nullable ApplicationTunnel applicationTunnel() throws ResourceException {
    return hasTunnel
        ? new ApplicationTunnel(
            ProtoChoice.of(
                "application_tunnel.protocol",
                tunnelKind,
                List.of(ApplicationTunnel.Kind.NONE, ApplicationTunnel.Kind.PROXY)),
            tunnelPort & Ports.MAX)
        : null;
  }

  private List<InetAddress> ips() throws ResourceException {
    List<InetAddress> ips = new ArrayList<>(addresses.size());
    for (byte[] address : addresses) {
      ips.add(GatewayProto.ip(address));
    }
    return ips;
  }

  private Map<NamespacedHostname, PortMap> services() throws ResourceException {
    Map<NamespacedHostname, PortMap> parsed = HashMap.newHashMap(services.size());
    for (Map.Entry<String, PortMap> service : services.entrySet()) {
      NamespacedHostname key = NamespacedHostname.parse(service.getKey());
      if (key == null) {
        throw new ResourceException(
            "service key: %s (expected: namespace/hostname)".formatted(service.getKey()));
      }
      parsed.put(key, service.getValue());
    }
    return parsed;
  }

  private Protocol protocol() throws ResourceException {
    if (tunnelProtocol == 2) {
      throw new ResourceException("unsupported tunnel protocol: legacy istio mtls");
    }
    return ProtoChoice.of("tunnel_protocol", tunnelProtocol, List.of(Protocol.TCP, Protocol.HBONE));
  }

  /** A type that is not known counts as the first (Istio). */
  private String type() {
    return TYPES.get(workloadType > 0 && workloadType < TYPES.size() ? workloadType : 0);
  }

  private static String orElse(String text, String otherwise) {
    return text.isEmpty() ? otherwise : text;
  }

  /** One entry of {@code services}. */
  private static final class ServiceEntry {
    private String key = "";
    private final PortList ports = new PortList();

    void read(ProtoReader in, int tag) throws IOException {
      switch (ProtoReader.field(tag)) {
        case 1 -> key = in.string(tag);
        case 2 -> in.message(tag, ports::read);
        default -> in.skip(tag);
      }
    }
  }

  /** {@code PortList}, and the ports of a service. */
  static final class PortList {
    private int[] services = new int[2];
    private int[] targets = new int[2];
    private int size;

    void read(ProtoReader in, int tag) throws IOException {
      if (ProtoReader.field(tag) == 1) {
        readPort(in, tag);
      } else {
        in.skip(tag);
      }
    }

    void readPort(ProtoReader in, int tag) throws IOException {
      if (size == services.length) {
        services = Arrays.copyOf(services, 2 * size);
        targets = Arrays.copyOf(targets, 2 * size);
      }
      services[size] = 0;
      targets[size] = 0;
      in.message(tag, this::readNumber);
      size++;
    }

    private void readNumber(ProtoReader in, int tag) throws IOException {
      switch (ProtoReader.field(tag)) {
        case 1 -> services[size] = in.number(tag) & Ports.MAX;
        case 2 -> targets[size] = in.number(tag) & Ports.MAX;
        default -> in.skip(tag);
      }
    }

    PortMap build() {
      return PortMap.of(services, targets, size);
    }
  }
}
