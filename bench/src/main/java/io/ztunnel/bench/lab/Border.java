package io.ztunnel.bench.lab;

import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * The border between the networks of two clusters: nodes reach each other, pods do not, whatever
 * leaves a network has its node's address, and a gateway is reached at a port of its node, as
 * behind a load balancer. Stateless.
 */
public final class Border {
  private static final Duration DEADLINE = Duration.ofSeconds(10);
  private static final String UPLINK = "up0";
  private static final String NODES = "10.241.0.0/16";

  private Border() {}

  /** Takes the routes to the pods of other nodes away from a node. */
  static void close(Lab.Node node, List<Lab.Node> beyond) throws IOException {
    for (Lab.Node other : beyond) {
      run(node, "ip", "route", "del", "10.240.%d.0/24".formatted(other.index()));
      run(node, "ip", "-6", "route", "del", "fd00:10:240:%x::/64".formatted(other.index()));
    }
    run(node, nat("-A", "POSTROUTING", "-o", UPLINK, "-d", NODES, "-j", "MASQUERADE"));
  }

  /**
   * Makes a port of a pod reachable at its node's address, as kube-proxy does for a NodePort.
   *
   * @param nodePort the port there
   */
  public static void publish(Lab.Pod pod, int port, int nodePort) throws IOException {
    run(
        pod.node(),
        nat(
            "-A",
            "PREROUTING",
            "-i",
            UPLINK,
            "-p",
            "tcp",
            "--dport",
            String.valueOf(nodePort),
            "-j",
            "DNAT",
            "--to-destination",
            pod.ipv4().getHostAddress() + ":" + port));
  }

  private static String[] nat(String... rule) {
    List<String> command = new ArrayList<>(List.of("iptables", "-w", "-t", "nat"));
    command.addAll(List.of(rule));
    return command.toArray(String[]::new);
  }

  private static void run(Lab.Place place, String... command) throws IOException {
    Lab.Output output = place.exec(DEADLINE, command);
    if (output.exitStatus() != 0) {
      throw new IOException(String.join(" ", command) + ": " + output.err().strip());
    }
  }
}
