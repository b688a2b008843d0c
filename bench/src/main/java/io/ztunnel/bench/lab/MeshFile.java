package io.ztunnel.bench.lab;

import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The mesh as the daemons of a lab read it: a local configuration file with workloads, services and
 * policies.
 */
public final class MeshFile {
  private final List<String> workloads = new ArrayList<>();
  private final List<String> services = new ArrayList<>();
  private final List<String> policies = new ArrayList<>();

  /** A service of a workload: its port, and the port of the workload behind it. */
  public record ServicePort(String service, int port, int targetPort) {}

  /** What the mesh knows of a pod. */
  record Member(String name, String node, InetAddress ipv4, InetAddress ipv6) {
    static Member of(Lab.Pod pod) {
      return new Member(pod.name(), Daemon.nodeName(pod.node()), pod.ipv4(), pod.ipv6());
    }
  }

  /**
   * A captured pod, which speaks HBONE.
   *
   * @param policies names of policies in its namespace that select it
   */
  public MeshFile workload(
      Lab.Pod pod,
      String namespace,
      String serviceAccount,
      List<ServicePort> ports,
      List<String> policies) {
    return workload(Member.of(pod), namespace, serviceAccount, ports, policies);
  }

  MeshFile workload(
      Member pod,
      String namespace,
      String serviceAccount,
      List<ServicePort> ports,
      List<String> policies) {
    StringBuilder text = new StringBuilder();
    text.append(
        """
        - uid: lab//Pod/%2$s/%1$s
          name: %1$s
          namespace: %2$s
          serviceAccount: %3$s
          trustDomain: cluster.local
          clusterId: Kubernetes
          protocol: HBONE
          node: %4$s
          workloadIps: ["%5$s", "%6$s"]
          workloadName: %1$s
          workloadType: deployment
          canonicalName: %1$s
          canonicalRevision: v1
        """
            .formatted(
                pod.name(),
                namespace,
                serviceAccount,
                pod.node(),
                pod.ipv4().getHostAddress(),
                pod.ipv6().getHostAddress()));
    text.append(
        "  authorizationPolicies: %s\n"
            .formatted(policies.stream().map(name -> '"' + namespace + '/' + name + '"').toList()));
    text.append(ports.isEmpty() ? "  services: {}\n" : "  services:\n");
    for (ServicePort port : ports) {
      text.append(
          "    %s/%s: {%d: %d}\n"
              .formatted(
                  namespace, hostname(port.service(), namespace), port.port(), port.targetPort()));
    }
    workloads.add(text.toString());
    return this;
  }

  /** A service with an address of its own. */
  public MeshFile service(String name, String namespace, String vip, int port, int targetPort) {
    services.add(
        """
        - name: %1$s
          namespace: %2$s
          hostname: %3$s
          vips: ["/%4$s"]
          ports: {%5$d: %6$d}
        """
            .formatted(name, namespace, hostname(name, namespace), vip, port, targetPort));
    return this;
  }

  /** A policy that forbids one identity to reach the workloads that name it. */
  public MeshFile deny(String name, String namespace, String principal) {
    policies.add(
        """
        - name: %s
          namespace: %s
          scope: WorkloadSelector
          action: Deny
          dryRun: false
          rules:
          - - - principals: [!Exact %s]
        """
            .formatted(name, namespace, principal));
    return this;
  }

  /** A workload as the file has it: the lines of one list entry. */
  public MeshFile workloadEntry(String yaml) {
    workloads.add(yaml);
    return this;
  }

  /** A service as the file has it: the lines of one list entry. */
  public MeshFile serviceEntry(String yaml) {
    services.add(yaml);
    return this;
  }

  /** A policy as the file has it: the lines of one list entry. */
  public MeshFile policyEntry(String yaml) {
    policies.add(yaml);
    return this;
  }

  static String hostname(String service, String namespace) {
    return service + '.' + namespace + ".svc.cluster.local";
  }

  @Override
  public String toString() {
    return section("workloads", workloads)
        + section("services", services)
        + section("policies", policies);
  }

  private static String section(String name, List<String> entries) {
    return name + (entries.isEmpty() ? ": []\n" : ":\n" + String.join("", entries));
  }

  /** Writes the file. */
  public void write(Path file) throws IOException {
    Files.writeString(file, toString());
  }
}
