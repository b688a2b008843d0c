package io.ztunnel.bench.load;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.MeshFile;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * What the daemons of two clusters on two networks know: in the west a client, in the east servers,
 * the services that they are part of, and the gateway to them. Immutable.
 *
 * @param servings a service's name, to the pods that serve it
 */
record DoublePathMesh(
    Lab.Pod client, Lab.Pod gateway, Map<String, List<Lab.Pod>> servings, List<Integer> ports) {
  static final String NAMESPACE = "bench";
  static final String GATEWAY_NAMESPACE = "istio-system";
  private static final String WEST = "west";
  private static final String EAST = "east";

  DoublePathMesh {
    servings = Map.copyOf(servings);
    ports = List.copyOf(ports);
  }

  static Map<String, String> westEnvironment() {
    return Map.of("NETWORK", network(WEST), "CLUSTER_ID", WEST);
  }

  static Map<String, String> eastEnvironment() {
    return Map.of("NETWORK", network(EAST), "CLUSTER_ID", EAST);
  }

  private static String network(String cluster) {
    return "net-" + cluster;
  }

  /** The address that a service has in the client's network. */
  String vip(String service) {
    return "10.96.0." + (1 + servings.keySet().stream().sorted().toList().indexOf(service));
  }

  void writeWest(Path file) throws IOException {
    MeshFile mesh = new MeshFile().workloadEntry(pod(client, WEST, NAMESPACE, ""));
    mesh.workloadEntry(
        """
        - uid: gateway
          name: gateway
          namespace: %s
          serviceAccount: %s
          trustDomain: cluster.local
          network: %s
          protocol: TCP
          workloadIps: ["%s"]
          services: {}
        """
            .formatted(GATEWAY_NAMESPACE, gateway.name(), network(EAST), ip(gateway)));
    for (Map.Entry<String, List<Lab.Pod>> serving : servings.entrySet()) {
      mesh.serviceEntry(service(serving.getKey(), serving.getValue()));
      mesh.workloadEntry(
          """
          - uid: remote-%1$s
            name: remote-%1$s
            namespace: %2$s
            trustDomain: cluster.local
            network: %3$s
            clusterId: %4$s
            protocol: HBONE
            workloadIps: []
            capacity: %5$d
            networkGateway: {destination: "%3$s/%6$s", hboneMtlsPort: 15008}
            services: {%7$s}
          """
              .formatted(
                  serving.getKey(),
                  NAMESPACE,
                  network(EAST),
                  EAST,
                  serving.getValue().size(),
                  ip(gateway),
                  part(serving.getKey())));
    }
    mesh.write(file);
  }

  void writeEast(Path file) throws IOException {
    MeshFile mesh = new MeshFile();
    for (Lab.Pod server : servings.values().stream().flatMap(List::stream).distinct().toList()) {
      String parts =
          servings.keySet().stream()
              .filter(service -> servings.getOrDefault(service, List.of()).contains(server))
              .map(this::part)
              .collect(Collectors.joining(", "));
      mesh.workloadEntry(pod(server, EAST, NAMESPACE, parts));
    }
    for (Map.Entry<String, List<Lab.Pod>> serving : servings.entrySet()) {
      mesh.serviceEntry(service(serving.getKey(), serving.getValue()));
    }
    mesh.write(file);
  }

  private static String pod(Lab.Pod pod, String cluster, String namespace, String services) {
    return """
        - uid: lab//Pod/%2$s/%1$s
          name: %1$s
          namespace: %2$s
          serviceAccount: %1$s
          trustDomain: cluster.local
          network: %3$s
          clusterId: %4$s
          protocol: HBONE
          node: %5$s
          workloadIps: ["%6$s"]
          workloadName: %1$s
          workloadType: deployment
          canonicalName: %1$s
          canonicalRevision: v1
          services: {%7$s}
        """
        .formatted(
            pod.name(),
            namespace,
            network(cluster),
            cluster,
            Daemon.nodeName(pod.node()),
            ip(pod),
            services);
  }

  /** It is global, as its addresses in both networks say. */
  private String service(String name, List<Lab.Pod> servers) {
    return """
        - name: %1$s
          namespace: %2$s
          hostname: %3$s
          vips: ["%4$s/%5$s", "%6$s/%5$s"]
          ports: {%7$s}
          subjectAltNames: [%8$s]
        """
        .formatted(
            name,
            NAMESPACE,
            hostname(name),
            network(WEST),
            vip(name),
            network(EAST),
            portMap(),
            servers.stream()
                .map(pod -> "spiffe://cluster.local/ns/%s/sa/%s".formatted(NAMESPACE, pod.name()))
                .collect(Collectors.joining(", ")));
  }

  private String part(String service) {
    return "%s/%s: {%s}".formatted(NAMESPACE, hostname(service), portMap());
  }

  private String portMap() {
    return ports.stream()
        .map(port -> "%1$d: %1$d".formatted(port))
        .collect(Collectors.joining(", "));
  }

  private static String hostname(String service) {
    return service + '.' + NAMESPACE + ".svc.cluster.local";
  }

  private static String ip(Lab.Pod pod) {
    return pod.ipv4().getHostAddress();
  }
}
