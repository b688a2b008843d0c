package io.ztunnel.mesh;

import io.ztunnel.mesh.LoadBalancer.HealthPolicy;
import io.ztunnel.mesh.LoadBalancer.Mode;
import io.ztunnel.mesh.LoadBalancer.Scope;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * {@code istio.workload.Service} as it is read. Fields that come twice are merged as protobuf has
 * it; what they mean is judged at the end. Confined to the thread that uses it.
 */
final class ServiceProto {
  private static final List<Mode> MODES =
      List.of(Mode.STANDARD, Mode.STRICT, Mode.FAILOVER, Mode.PASSTHROUGH);
  private static final List<Scope> SCOPES =
      List.of(Scope.REGION, Scope.ZONE, Scope.SUBZONE, Scope.NODE, Scope.CLUSTER, Scope.NETWORK);
  private static final int NAMESPACE_ONLY = 1;

  private String name = "";
  private String namespace = "";
  private String hostname = "";
  private final List<GatewayProto.Address> addresses = new ArrayList<>(2);
  private final WorkloadProto.PortList ports = new WorkloadProto.PortList();
  private final List<String> subjectAltNames = new ArrayList<>(0);
  private @Nullable GatewayProto waypoint;
  private boolean hasLoadBalancing;
  private final List<Integer> preferences = new ArrayList<>(0);
  private int mode;
  private int healthPolicy;
  private int ipFamilies;
  private boolean canonical;
  private boolean ingressUseWaypoint;
  private final List<Weighted> weightedWaypoints = new ArrayList<>(0);
  private int visibility;

  void read(ProtoReader in, int tag) throws IOException {
    switch (ProtoReader.field(tag)) {
      case 1 -> name = in.string(tag);
      case 2 -> namespace = in.string(tag);
      case 3 -> hostname = in.string(tag);
      case 4 -> {
        GatewayProto.Address address = new GatewayProto.Address();
        in.message(tag, address::read);
        addresses.add(address);
      }
      case 5 -> ports.readPort(in, tag);
      case 6 -> subjectAltNames.add(in.string(tag));
      case 7 -> waypoint = GatewayProto.merge(waypoint, in, tag);
      case 8 -> {
        hasLoadBalancing = true;
        in.message(tag, this::readLoadBalancing);
      }
      case 9 -> ipFamilies = in.number(tag);
      case 11 -> canonical = in.flag(tag);
      case 12 -> ingressUseWaypoint = in.flag(tag);
      case 13 -> {
        Weighted weighted = new Weighted();
        in.message(tag, weighted::read);
        weightedWaypoints.add(weighted);
      }
      case 14 -> visibility = in.number(tag);
      default -> in.skip(tag);
    }
  }

  private void readLoadBalancing(ProtoReader in, int tag) throws IOException {
    switch (ProtoReader.field(tag)) {
      case 1 -> in.numbers(tag, preferences::add);
      case 2 -> mode = in.number(tag);
      case 3 -> healthPolicy = in.number(tag);
      default -> in.skip(tag);
    }
  }

  Service build() throws ResourceException {
    List<NetworkAddress> vips = new ArrayList<>(addresses.size());
    List<NetworkCidr> cidrVips = new ArrayList<>(0);
    for (GatewayProto.Address address : addresses) {
      if (address.isExact()) {
        vips.add(address.exact());
      } else {
        cidrVips.add(address.range());
      }
    }
    List<WeightedWaypoint> weighted = new ArrayList<>(weightedWaypoints.size());
    for (Weighted one : weightedWaypoints) {
      weighted.add(one.build());
    }
    return Service.builder(new ServiceName(name, namespace, hostname))
        .vips(vips)
        .cidrVips(cidrVips)
        .ports(ports.build())
        .subjectAltNames(subjectAltNames)
        .waypoint(waypoint == null ? null : waypoint.build())
        .weightedWaypoints(weighted)
        .loadBalancer(loadBalancer())
        .ipFamilies(ipFamilies())
        .canonical(canonical)
        .ingress(ingressUseWaypoint ? Service.IngressPath.WAYPOINT : Service.IngressPath.DIRECT)
        // One that is not known hides nothing (Istio).
        .visibility(
            visibility == NAMESPACE_ONLY ? Service.Visibility.NAMESPACE : Service.Visibility.PUBLIC)
        .build();
  }

  private @Nullable IpFamilies ipFamilies() throws ResourceException {
    return switch (ipFamilies) {
      case 0 -> null;
      case 1 -> IpFamilies.IPV4;
      case 2 -> IpFamilies.IPV6;
      case 3 -> IpFamilies.DUAL;
      default ->
          throw new ResourceException(
              "decode error: ip_families: %d (expected: 0-3)".formatted(ipFamilies));
    };
  }

  private @Nullable LoadBalancer loadBalancer() throws ResourceException {
    if (!hasLoadBalancing) {
      return null;
    }
    List<Scope> scopes = new ArrayList<>(preferences.size());
    for (int preference : preferences) {
      if (preference < 1 || preference > SCOPES.size()) {
        throw new ResourceException(
            "invalid target: routing_preference: %d (expected: 1-%d)"
                .formatted(preference, SCOPES.size()));
      }
      scopes.add(SCOPES.get(preference - 1));
    }
    return new LoadBalancer(
        scopes,
        ProtoChoice.of("load_balancing.mode", mode, MODES),
        ProtoChoice.of(
            "load_balancing.health_policy",
            healthPolicy,
            List.of(HealthPolicy.ONLY_HEALTHY, HealthPolicy.ALLOW_ALL)));
  }

  /** {@code WeightedWaypoint}. */
  private static final class Weighted {
    private @Nullable GatewayProto destination;
    private long weight;

    void read(ProtoReader in, int tag) throws IOException {
      switch (ProtoReader.field(tag)) {
        case 1 -> destination = GatewayProto.merge(destination, in, tag);
        case 2 -> weight = Integer.toUnsignedLong(in.number(tag));
        default -> in.skip(tag);
      }
    }

    WeightedWaypoint build() throws ResourceException {
      GatewayProto gateway = destination == null ? new GatewayProto() : destination;
      return new WeightedWaypoint(gateway.build(), weight);
    }
  }
}
