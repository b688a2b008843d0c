package io.ztunnel.bench.scenarios;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.redirection.Lab;
import java.net.InetAddress;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** One list entry of the mesh file, as YAML. Fields keep their place when they are set again. */
final class Entry {
  private static final String SERVED = "services";

  private final List<String> served = new ArrayList<>();
  private final Map<String, String> fields = new LinkedHashMap<>();

  private Entry() {}

  /** A pod of namespace {@code shop}, its service account named as the pod. It speaks HBONE. */
  static Entry workload(Lab.Pod pod, InetAddress... addresses) {
    return workload(pod.name())
        .with("node", Daemon.nodeName(pod.node()))
        .with(
            "workloadIps",
            Stream.of(addresses)
                .map(address -> '"' + address.getHostAddress() + '"')
                .collect(Collectors.joining(", ", "[", "]")));
  }

  /** A workload of namespace {@code shop} without an address. */
  static Entry workload(String name) {
    return new Entry()
        .with("uid", "lab//Pod/shop/" + name)
        .with("name", name)
        .with("namespace", "shop")
        .with("serviceAccount", name)
        .with("trustDomain", "cluster.local")
        .with("clusterId", "Kubernetes")
        .with("protocol", "HBONE")
        .with("workloadIps", "[]")
        .with("workloadName", name + "-app")
        .with("workloadType", "deployment")
        .with("canonicalName", name + "-name")
        .with("canonicalRevision", "v1")
        .with(SERVED, "");
  }

  /** A service of namespace {@code shop}. */
  static Entry service(String name, String vip, String ports) {
    return new Entry()
        .with("name", name)
        .with("namespace", "shop")
        .with("hostname", hostname(name))
        .with("vips", "[\"/%s\"]".formatted(vip))
        .with("ports", ports);
  }

  /** A policy of namespace {@code shop} with one rule of one match. */
  static Entry policy(String name, String scope, String action, String match) {
    return new Entry()
        .with("name", name)
        .with("namespace", "shop")
        .with("scope", scope)
        .with("action", action)
        .with("dryRun", "false")
        .with("rules", "[[[%s]]]".formatted(match));
  }

  static String hostname(String service) {
    return service + ".shop.svc.cluster.local";
  }

  /** Calls stay in the network, and near in it, as long as they can ({@code PreferClose}). */
  Entry preferClose() {
    return with(
        "loadBalancer",
        "{routingPreferences: [Network, Region, Zone], mode: Failover, healthPolicy: OnlyHealthy}");
  }

  /** The identity of a pod of namespace {@code shop}. */
  static String identity(Lab.Pod pod) {
    return "spiffe://cluster.local/ns/shop/sa/" + pod.name();
  }

  Entry with(String field, String value) {
    fields.put(field, value);
    return this;
  }

  /** A part of a service: its port and the target port of this workload. */
  Entry serving(String service, int port, int target) {
    return serving(service, "%d: %d".formatted(port, target));
  }

  /** A part of a service with these ports; none where the service is to know them. */
  Entry serving(String service, String ports) {
    served.add("shop/%s: {%s}".formatted(hostname(service), ports));
    return this;
  }

  /** A waypoint by address or by {@code namespace/hostname}. */
  Entry waypoint(String destination) {
    return with("waypoint", "{destination: \"%s\", hboneMtlsPort: 15008}".formatted(destination));
  }

  @Override
  public String toString() {
    return fields.entrySet().stream()
        .map(field -> field.getKey() + ": " + value(field) + "\n")
        .collect(Collectors.joining("  ", "- ", ""));
  }

  private String value(Map.Entry<String, String> field) {
    return field.getKey().equals(SERVED) ? "{" + String.join(", ", served) + "}" : field.getValue();
  }
}
