package io.ztunnel.bench.scenarios;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.net.InetAddress;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One of two clusters that call each other, each through the gateway of the other: a node with a
 * client and with a server that echoes twice, and a daemon as the gateway. For one thread.
 */
final class Side {
  static final String PORTS = "80: 8080";

  private final Scene scene;
  private final String trustDomain;
  private final int place;
  private final Cluster cluster;
  private final Lab.Node node;
  private final Lab.Pod client;
  private final Lab.Pod server;
  private final Lab.Pod gatewayPod;
  private @Nullable Daemon daemon;
  private @Nullable Daemon gateway;

  /**
   * With a network, region and zone of its own.
   *
   * @param place the number of those
   */
  Side(Scene scene, String name, int place, String trustDomain) throws IOException {
    this.scene = scene;
    this.trustDomain = trustDomain;
    this.place = place;
    this.cluster = new Cluster(scene, name, "net-" + name, place, trustDomain);
    this.node = scene.lab().addNode();
    this.client = node.addPod("client-" + name);
    this.server = node.addPod("server-" + name);
    this.gatewayPod = node.addPod("gateway-" + name, Lab.Without.REDIRECTION);
    scene.app(server, 8080, App.ECHO_TWICE);
    cluster.workload(cluster.pod(client));
    serve(service(), cluster.pod(server));
  }

  Cluster cluster() {
    return cluster;
  }

  /** The number of network, region and zone. */
  int place() {
    return place;
  }

  Lab.Node node() {
    return node;
  }

  Lab.Pod client() {
    return client;
  }

  Lab.Pod server() {
    return server;
  }

  Lab.Pod gatewayPod() {
    return gatewayPod;
  }

  /** Has a pod for the only endpoint of a service. */
  void serve(String service, Entry pod) {
    cluster.workload(pod.serving(service, PORTS));
    cluster.service(service, "10.97.%d.%d".formatted(place, number(service)), PORTS);
  }

  /** The service of this side. */
  String service() {
    return "echo-" + cluster.name();
  }

  /** Where the clients of the other side find a service of this one. */
  InetAddress vip(String service) {
    return InetAddress.ofLiteral("10.96.%d.%d".formatted(place, number(service)));
  }

  private static int number(String service) {
    return Math.floorMod(service.hashCode(), 250) + 1;
  }

  InetAddress vip() {
    return vip(service());
  }

  /** Tells the daemons of this side of the other one's gateway and service. */
  void join(Side other) {
    cluster.gateway(seen(other), other.gatewayPod);
    reach(other, other.service(), other.server);
  }

  /** Tells the daemons of this side of a service of the other one, and of who answers there. */
  void reach(Side other, String service, Lab.Pod pod) {
    Cluster there = seen(other);
    cluster.remote(
        there,
        service,
        other.vip(service).getHostAddress(),
        PORTS,
        "[\"%s\"]".formatted(there.identity(pod)),
        other.gatewayPod);
  }

  /** The other one as a stock istiod tells of it: as if all were of this one's trust domain. */
  private Cluster seen(Side other) {
    return new Cluster(
        scene, other.cluster.name(), other.cluster.network(), other.place, trustDomain);
  }

  /** Starts the daemons of node and gateway. */
  void start(Map<String, String> environment, Map<String, String> gatewayEnvironment)
      throws IOException {
    daemon = cluster.daemon(node, environment, client, server);
    gateway = cluster.gatewayDaemon(gatewayPod, gatewayEnvironment);
  }

  Daemon daemon() {
    return Objects.requireNonNull(daemon, "not started");
  }

  Daemon gateway() {
    return Objects.requireNonNull(gateway, "not started");
  }
}
