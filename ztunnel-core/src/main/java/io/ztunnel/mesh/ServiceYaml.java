package io.ztunnel.mesh;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Reads a service from the local file. */
final class ServiceYaml {
  private ServiceYaml() {}

  static Service service(YamlValue value) throws LocalConfigException {
    YamlValue.Fields fields =
        value.fields(
            "name",
            "namespace",
            "hostname",
            "vips",
            "cidrVips",
            "ports",
            "endpoints",
            "subjectAltNames",
            "waypoint",
            "weightedWaypoints",
            "loadBalancer",
            "ipFamilies",
            "canonical",
            "visibility",
            "ingressUseWaypoint");
    ServiceName name =
        new ServiceName(
            fields.required("name", YamlValue::text),
            fields.required("namespace", YamlValue::text),
            fields.required("hostname", YamlValue::text));
    return Service.builder(name)
        .vips(
            fields.required(
                "vips", all -> all.list(it -> it.parsed(NetworkAddress::parse, "network/ip"))))
        .cidrVips(fields.optional("cidrVips", all -> all.list(ServiceYaml::cidrVip), List.of()))
        .ports(fields.required("ports", WorkloadYaml::ports))
        .endpoints(fields.optional("endpoints", ServiceYaml::endpoints, List.of()))
        .subjectAltNames(
            fields.optional("subjectAltNames", all -> all.list(YamlValue::text), List.of()))
        .waypoint(fields.optional("waypoint", WorkloadYaml::gateway))
        .weightedWaypoints(
            fields.optional(
                "weightedWaypoints", all -> all.list(ServiceYaml::weightedWaypoint), List.of()))
        .loadBalancer(fields.optional("loadBalancer", ServiceYaml::loadBalancer))
        .ipFamilies(fields.optional("ipFamilies", it -> it.choice(IpFamilies.class)))
        .canonical(fields.optional("canonical", YamlValue::flag, false))
        .ingress(
            fields.optional("ingressUseWaypoint", YamlValue::flag, false)
                ? Service.IngressPath.WAYPOINT
                : Service.IngressPath.DIRECT)
        .visibility(
            fields.optional(
                "visibility", it -> it.choice(Service.Visibility.class), Service.Visibility.PUBLIC))
        .build();
  }

  private static NetworkCidr cidrVip(YamlValue value) throws LocalConfigException {
    YamlValue.Fields fields = value.fields("network", "cidr");
    return new NetworkCidr(
        fields.required("network", YamlValue::text),
        fields.required("cidr", it -> it.parsed(Cidr::parse, "ip/prefix length")));
  }

  private static List<Endpoint> endpoints(YamlValue value) throws LocalConfigException {
    Map<String, Endpoint> endpoints = value.map(YamlValue::text, ServiceYaml::endpoint);
    for (Map.Entry<String, Endpoint> endpoint : endpoints.entrySet()) {
      if (!endpoint.getKey().equals(endpoint.getValue().workloadUid())) {
        throw value.unexpected("the workloadUid of each endpoint as its key");
      }
    }
    return new ArrayList<>(endpoints.values());
  }

  private static Endpoint endpoint(YamlValue value) throws LocalConfigException {
    YamlValue.Fields fields = value.fields("workloadUid", "port", "status");
    return new Endpoint(
        fields.required("workloadUid", YamlValue::text),
        fields.required("port", WorkloadYaml::ports),
        fields.required("status", it -> it.choice(HealthStatus.class)));
  }

  private static WeightedWaypoint weightedWaypoint(YamlValue value) throws LocalConfigException {
    YamlValue.Fields fields = value.fields("destination", "weight");
    return new WeightedWaypoint(
        fields.required("destination", WorkloadYaml::gateway),
        fields.required("weight", it -> it.number(WeightedWaypoint.MAX_WEIGHT)));
  }

  private static LoadBalancer loadBalancer(YamlValue value) throws LocalConfigException {
    YamlValue.Fields fields = value.fields("routingPreferences", "mode", "healthPolicy");
    return new LoadBalancer(
        fields.required(
            "routingPreferences", all -> all.list(it -> it.choice(LoadBalancer.Scope.class))),
        fields.required("mode", it -> it.choice(LoadBalancer.Mode.class)),
        fields.required("healthPolicy", it -> it.choice(LoadBalancer.HealthPolicy.class)));
  }
}
