package io.ztunnel.admin;

import io.netty.util.NetUtil;
import io.ztunnel.mesh.ApplicationTunnel;
import io.ztunnel.mesh.Authorization;
import io.ztunnel.mesh.Endpoint;
import io.ztunnel.mesh.EndpointSet;
import io.ztunnel.mesh.GatewayAddress;
import io.ztunnel.mesh.LoadBalancer;
import io.ztunnel.mesh.LocalConfig;
import io.ztunnel.mesh.Locality;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.NetworkAddress;
import io.ztunnel.mesh.NetworkCidr;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.Spelled;
import io.ztunnel.mesh.StringMatch;
import io.ztunnel.mesh.WeightedWaypoint;
import io.ztunnel.mesh.Workload;
import java.net.InetAddress;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The mesh in {@code /config_dump}: {@code workloads}, {@code services}, {@code policies}, {@code
 * stagedServices} and {@code staticConfig}, with the names that istioctl reads. Pure.
 */
public final class MeshSections {
  private MeshSections() {}

  /**
   * Adds the sections.
   *
   * @param view the mesh as it is now
   * @param staticConfig the local file as it is now; null if there is none or it cannot be read
   */
  public static void add(
      ConfigDump dump, Supplier<MeshView> view, Supplier<@Nullable LocalConfig> staticConfig) {
    dump.section(
            "workloads", () -> view.get().sortedWorkloads().stream().map(MeshSections::workload))
        .section("services", () -> view.get().sortedServices().stream().map(MeshSections::service))
        .section(
            "policies",
            () -> view.get().sortedPolicies().values().stream().map(MeshSections::policy))
        .section("stagedServices", () -> staged(view.get()))
        .section("staticConfig", () -> staticConfig(staticConfig.get()));
  }

  private static Map<String, Object> staged(MeshView view) {
    var staged = new LinkedHashMap<String, Object>();
    view.stagedServices().forEach((key, endpoints) -> staged.put(key, endpoints(endpoints)));
    return staged;
  }

  private static Map<String, @Nullable Object> staticConfig(@Nullable LocalConfig local) {
    return new JsonFields()
        .with(
            "workloads",
            local == null ? List.of() : local.workloads().stream().map(MeshSections::workload))
        .with(
            "policies",
            local == null ? List.of() : local.policies().stream().map(MeshSections::policy))
        .with(
            "services",
            local == null ? List.of() : local.services().stream().map(MeshSections::service))
        .map();
  }

  static Map<String, @Nullable Object> workload(Workload workload) {
    Locality locality = workload.locality();
    ApplicationTunnel tunnel = workload.applicationTunnel();
    return new JsonFields()
        .with("workloadIps", map(workload.ips(), MeshSections::ip))
        .with("protocol", workload.protocol().text())
        .with("networkMode", workload.networkMode().text())
        .with("name", workload.name())
        .with("namespace", workload.namespace())
        .with("status", workload.status().text())
        .with("clusterId", workload.clusterId())
        .with("capacity", workload.capacity())
        .known("uid", workload.uid())
        .set("waypoint", gateway(workload.waypoint()))
        .set("networkGateway", gateway(workload.networkGateway()))
        .known("trustDomain", workload.trustDomain())
        .known("serviceAccount", workload.serviceAccount())
        .known("network", workload.network())
        .known("workloadName", workload.workloadName())
        .known("workloadType", workload.workloadType())
        .known("canonicalName", workload.canonicalName())
        .known("canonicalRevision", workload.canonicalRevision())
        .known("hostname", workload.hostname())
        .known("node", workload.node())
        .set("nativeTunnel", workload.nativeTunnel() ? true : null)
        .set("applicationTunnel", tunnel == null ? null : applicationTunnel(tunnel))
        .some("authorizationPolicies", workload.authorizationPolicies())
        .set("locality", locality.equals(Locality.UNKNOWN) ? null : locality(locality))
        .some("services", workload.sortedServices())
        .map();
  }

  private static Map<String, @Nullable Object> applicationTunnel(ApplicationTunnel tunnel) {
    return new JsonFields()
        .with("protocol", tunnel.kind().text())
        .with("port", tunnel.hasPort() ? tunnel.port() : null)
        .map();
  }

  private static Map<String, @Nullable Object> locality(Locality locality) {
    return new JsonFields()
        .with("region", locality.region())
        .with("zone", locality.zone())
        .with("subzone", locality.subzone())
        .map();
  }

  private static @Nullable Map<String, @Nullable Object> gateway(@Nullable GatewayAddress gateway) {
    return gateway == null
        ? null
        : new JsonFields()
            .with("destination", gateway.destination().toString())
            .with("hboneMtlsPort", gateway.hboneMtlsPort())
            .map();
  }

  static Map<String, @Nullable Object> service(Service service) {
    LoadBalancer balancer = service.loadBalancer();
    Spelled families = service.ipFamilies();
    return new JsonFields()
        .with("name", service.name().name())
        .with("namespace", service.namespace())
        .with("hostname", service.hostname())
        .with("vips", map(service.vips(), NetworkAddress::toString))
        .with("ports", service.ports().asMap())
        .with("endpoints", endpoints(service.endpoints()))
        .with("subjectAltNames", service.subjectAltNames())
        .with("canonical", service.canonical())
        .with("visibility", service.visibility().text())
        .some("cidrVips", map(service.cidrVips(), MeshSections::cidrVip))
        .set("waypoint", gateway(service.waypoints().only()))
        .some("weightedWaypoints", map(service.waypoints().weighted(), MeshSections::weighted))
        .set("loadBalancer", balancer == null ? null : loadBalancer(balancer))
        .set("ipFamilies", families == null ? null : families.text())
        .map();
  }

  /** By uid; there may be as many as workloads. */
  private static JsonMembers endpoints(EndpointSet endpoints) {
    return new JsonMembers(
        endpoints.sorted().stream()
            .map(endpoint -> Map.entry(endpoint.workloadUid(), endpoint(endpoint))));
  }

  private static Map<String, @Nullable Object> endpoint(Endpoint endpoint) {
    return new JsonFields()
        .with("workloadUid", endpoint.workloadUid())
        .with("port", endpoint.ports().asMap())
        .with("status", endpoint.status().text())
        .map();
  }

  private static Map<String, @Nullable Object> cidrVip(NetworkCidr vip) {
    return new JsonFields()
        .with("network", vip.network())
        .with("cidr", vip.cidr().toString())
        .map();
  }

  private static Map<String, @Nullable Object> weighted(WeightedWaypoint waypoint) {
    return new JsonFields()
        .with("destination", gateway(waypoint.destination()))
        .with("weight", waypoint.weight())
        .map();
  }

  private static Map<String, @Nullable Object> loadBalancer(LoadBalancer balancer) {
    return new JsonFields()
        .with("routingPreferences", map(balancer.routingPreferences(), Spelled::text))
        .with("mode", balancer.mode().text())
        .with("healthPolicy", balancer.healthPolicy().text())
        .map();
  }

  static Map<String, @Nullable Object> policy(Authorization policy) {
    return new JsonFields()
        .with("name", policy.name())
        .with("namespace", policy.namespace())
        .with("scope", policy.scope().text())
        .with("action", policy.action().text())
        .with("dryRun", policy.dryRun())
        .with("rules", map(policy.rules(), MeshSections::rule))
        .map();
  }

  private static List<?> rule(Authorization.Rule rule) {
    return map(rule.clauses(), clause -> map(clause.matches(), MeshSections::match));
  }

  private static Map<String, @Nullable Object> match(Authorization.Match match) {
    var fields = new JsonFields();
    constraint(fields, "namespaces", match.namespaces(), MeshSections::stringMatch);
    constraint(fields, "serviceAccounts", match.serviceAccounts(), MeshSections::serviceAccount);
    constraint(fields, "principals", match.principals(), MeshSections::stringMatch);
    constraint(fields, "sourceIps", match.sourceIps(), Object::toString);
    constraint(fields, "destinationIps", match.destinationIps(), Object::toString);
    constraint(fields, "destinationPorts", match.destinationPorts(), port -> port);
    return fields.map();
  }

  /** Twice: what must be, and with a {@code not} before the name what must not. */
  private static <T> void constraint(
      JsonFields fields,
      String name,
      Authorization.Constraint<T> constraint,
      Function<T, Object> value) {
    fields
        .some(name, map(constraint.anyOf(), value))
        .some(
            "not" + Character.toUpperCase(name.charAt(0)) + name.substring(1),
            map(constraint.noneOf(), value));
  }

  private static Map<String, Object> stringMatch(StringMatch match) {
    return switch (match) {
      case StringMatch.Exact(String value) -> Map.of("Exact", value);
      case StringMatch.Prefix(String value) -> Map.of("Prefix", value);
      case StringMatch.Suffix(String value) -> Map.of("Suffix", value);
      case StringMatch.Presence() -> Map.of("Presence", List.of());
    };
  }

  private static Map<String, @Nullable Object> serviceAccount(
      Authorization.ServiceAccountMatch match) {
    return new JsonFields()
        .with("namespace", match.namespace())
        .with("serviceAccount", match.serviceAccount())
        .map();
  }

  private static String ip(InetAddress ip) {
    return NetUtil.toAddressString(ip);
  }

  private static <T, R> List<R> map(List<T> values, Function<? super T, ? extends R> function) {
    return values.stream().<R>map(function).toList();
  }
}
