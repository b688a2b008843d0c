package io.ztunnel.mesh;

import io.ztunnel.hbone.SpiffeId;
import java.util.List;
import java.util.Map;

/** Reads a workload, and what others share with it, from the local file. */
final class WorkloadYaml {
  private WorkloadYaml() {}

  static Workload workload(YamlValue value) throws LocalConfigException {
    YamlValue.Fields fields =
        value.fields(
            "uid",
            "name",
            "namespace",
            "trustDomain",
            "serviceAccount",
            "workloadIps",
            "network",
            "protocol",
            "networkMode",
            "nativeTunnel",
            "hostname",
            "node",
            "clusterId",
            "locality",
            "workloadName",
            "workloadType",
            "canonicalName",
            "canonicalRevision",
            "status",
            "capacity",
            "services",
            "authorizationPolicies",
            "waypoint",
            "networkGateway",
            "applicationTunnel");
    return Workload.builder(fields.text("uid"))
        .name(fields.text("name"))
        .identity(
            new SpiffeId(
                fields.text("trustDomain"),
                fields.required("namespace", YamlValue::text),
                fields.text("serviceAccount")))
        .ips(
            fields.required(
                "workloadIps",
                ips -> ips.list(ip -> ip.parsed(IpText::parse, "an IPv4 or IPv6 address"))))
        .network(fields.text("network"))
        .protocol(fields.optional("protocol", it -> it.choice(Protocol.class), Protocol.TCP))
        .networkMode(
            fields.optional(
                "networkMode", it -> it.choice(NetworkMode.class), NetworkMode.STANDARD))
        .nativeTunnel(fields.optional("nativeTunnel", YamlValue::flag, false))
        .hostname(fields.text("hostname"))
        .node(fields.text("node"))
        .clusterId(fields.text("clusterId"))
        .locality(fields.optional("locality", WorkloadYaml::locality, Locality.UNKNOWN))
        .labels(
            new WorkloadLabels(
                fields.text("workloadName"),
                fields.text("workloadType"),
                fields.text("canonicalName"),
                fields.text("canonicalRevision")))
        .status(
            fields.optional("status", it -> it.choice(HealthStatus.class), HealthStatus.HEALTHY))
        .capacity(fields.optional("capacity", it -> it.number(Serving.MAX_CAPACITY), 1L))
        .services(fields.required("services", WorkloadYaml::services))
        .authorizationPolicies(
            fields.optional("authorizationPolicies", it -> it.list(YamlValue::text), List.of()))
        .waypoint(fields.optional("waypoint", WorkloadYaml::gateway))
        .networkGateway(fields.optional("networkGateway", WorkloadYaml::gateway))
        .applicationTunnel(fields.optional("applicationTunnel", WorkloadYaml::applicationTunnel))
        .build();
  }

  static GatewayAddress gateway(YamlValue value) throws LocalConfigException {
    YamlValue.Fields fields = value.fields("destination", "hboneMtlsPort");
    return new GatewayAddress(
        fields.required(
            "destination",
            it -> it.parsed(GatewayAddress.Destination::parse, "network/ip or namespace/hostname")),
        fields.required("hboneMtlsPort", YamlValue::port));
  }

  static PortMap ports(YamlValue value) throws LocalConfigException {
    return PortMap.of(value.map(YamlValue::port, YamlValue::port));
  }

  private static Map<NamespacedHostname, PortMap> services(YamlValue value)
      throws LocalConfigException {
    return value.map(
        key -> key.parsed(NamespacedHostname::parse, "namespace/hostname"), WorkloadYaml::ports);
  }

  private static Locality locality(YamlValue value) throws LocalConfigException {
    YamlValue.Fields fields = value.fields("region", "zone", "subzone");
    return new Locality(
        fields.required("region", YamlValue::text),
        fields.required("zone", YamlValue::text),
        fields.required("subzone", YamlValue::text));
  }

  private static ApplicationTunnel applicationTunnel(YamlValue value) throws LocalConfigException {
    YamlValue.Fields fields = value.fields("protocol", "port");
    return new ApplicationTunnel(
        fields.required("protocol", it -> it.choice(ApplicationTunnel.Kind.class)),
        fields.optional("port", YamlValue::port, ApplicationTunnel.SAME_PORT));
  }
}
