package io.ztunnel.bench.scenarios;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.MeshFile;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;

/**
 * One of several clusters of a scene, each on a network of its own: what its daemons know of the
 * mesh. For one thread.
 */
final class Cluster {
  /** Where gateways take tunnels unless others reach them at another port. */
  private static final int HBONE_PORT = 15008;

  private final Scene scene;
  private final String name;
  private final String network;
  private final int place;
  private final String trustDomain;
  private final MeshFile mesh = new MeshFile();

  /**
   * On the network {@code net-NAME}.
   *
   * @param place number of its region and its zone
   */
  Cluster(Scene scene, String name, int place) {
    this(scene, name, "net-" + name, place);
  }

  Cluster(Scene scene, String name, String network, int place) {
    this(scene, name, network, place, "cluster.local");
  }

  Cluster(Scene scene, String name, String network, int place, String trustDomain) {
    this.scene = scene;
    this.name = name;
    this.network = network;
    this.place = place;
    this.trustDomain = trustDomain;
  }

  String name() {
    return name;
  }

  String network() {
    return network;
  }

  /** Which identity a pod of this cluster has. */
  SpiffeId identity(Lab.Pod pod) {
    return new SpiffeId(trustDomain, "shop", pod.name());
  }

  /** Which identity the gateway into this cluster has. */
  SpiffeId gatewayIdentity() {
    return new SpiffeId(
        trustDomain, Gateway.IDENTITY.namespace(), Gateway.IDENTITY.serviceAccount());
  }

  /** A pod of this cluster, not yet known to it. */
  Entry pod(Lab.Pod pod) {
    return Entry.workload(pod, pod.ipv4())
        .with("network", network)
        .with("clusterId", name)
        .with("trustDomain", trustDomain)
        .with("locality", "{region: r%1$d, zone: z%1$d, subzone: \"\"}".formatted(place));
  }

  void workload(Entry entry) {
    mesh.workloadEntry(entry.toString());
  }

  void policy(Entry entry) {
    mesh.policyEntry(entry.toString());
  }

  void service(Entry entry) {
    mesh.serviceEntry(entry.toString());
  }

  /** Makes the daemons here know a service, whatever its addresses elsewhere. */
  void service(String service, String vip, String ports) {
    service(entry(service, vip, ports));
  }

  /** A service with an address on this network, not yet known to it. */
  Entry entry(String service, String vip, String ports) {
    return Entry.service(service, vip, "{" + ports + "}")
        .with("vips", "[\"%s/%s\"]".formatted(network, vip));
  }

  /**
   * Where other clusters find a gateway.
   *
   * @param destination {@code network/ip} or {@code namespace/hostname}
   */
  record Entrance(String destination, int port) {}

  /** A gateway into this cluster that is found at its own address. */
  Entrance entrance(Lab.Pod gateway) {
    return new Entrance(network + "/" + address(gateway), HBONE_PORT);
  }

  /** A gateway into this cluster that is found at a port of a node. */
  Entrance entrance(Lab.Node node, int nodePort) {
    return new Entrance(network + "/" + address(node), nodePort);
  }

  /** Tells of a gateway into a cluster, this one or another. */
  void gateway(Cluster into, Lab.Pod pod) {
    workload(into.gateway(Entry.workload(pod, pod.ipv4()), address(pod)));
  }

  /** Tells of a gateway at a port of a node, as one who reads its own Gateway resource does. */
  void gateway(Cluster into, Lab.Node node, int nodePort) {
    workload(
        into.gateway(Entry.workload("gateway-" + nodePort), address(node), nodePort)
            .with("protocol", "TCP")
            .with("workloadIps", "[\"" + address(node) + "\"]"));
  }

  /** The same entry as that of a gateway into this cluster, by its address or its name. */
  Entry gateway(Entry entry, String destination) {
    return gateway(entry, destination, 0); // Istio reads no port of a gateway of another cluster
  }

  private Entry gateway(Entry entry, String destination, int port) {
    return entry
        .with("uid", "NetworkGateway/%s/%s/%d".formatted(network, destination, port))
        .with("namespace", Gateway.IDENTITY.namespace())
        .with("serviceAccount", Gateway.IDENTITY.serviceAccount())
        .with("trustDomain", trustDomain)
        .with("network", network);
  }

  /**
   * Tells of a service of which this cluster has only another one's share.
   *
   * @param sans who may answer, as a list in YAML
   */
  void remote(
      Cluster other, String service, String vip, String ports, String sans, Lab.Pod gateway) {
    remote(other, service, vip, ports, sans, other.entrance(gateway));
  }

  /** As above, through a gateway that is found anywhere. */
  void remote(
      Cluster other, String service, String vip, String ports, String sans, Entrance gateway) {
    service(global(service, vip, ports, sans));
    share(other, service, ports, 2, gateway);
  }

  /**
   * A service that other clusters have a share in, not yet known to this one.
   *
   * @param vip its address here
   * @param sans who may answer in other clusters, as a list in YAML
   */
  Entry global(String service, String vip, String ports, String sans) {
    return entry(service, vip, ports).with("subjectAltNames", sans);
  }

  /** Tells of all pods that a service has in another cluster. */
  void share(Cluster other, String service, String ports, int pods, Entrance gateway) {
    workload(
        Entry.workload(service + "-remote")
            .with(
                "uid",
                "%s/SplitHorizonWorkload/istio-system/%s/shop/%s"
                    .formatted(other.network, gateway.destination(), service))
            .with("network", other.network)
            .with("clusterId", other.name)
            .with("capacity", String.valueOf(pods))
            .with(
                "networkGateway",
                "{destination: \"%s\", hboneMtlsPort: %d}"
                    .formatted(gateway.destination(), gateway.port()))
            .serving(service, ports));
  }

  private static String address(Lab.Pod pod) {
    return pod.ipv4().getHostAddress();
  }

  private static String address(Lab.Node node) {
    return node.ipv4().getHostAddress();
  }

  /** Starts the daemon of a node of this cluster and waits until it is ready. */
  Daemon daemon(Lab.Node node, Map<String, String> environment, Lab.Pod... pods)
      throws IOException {
    Daemon daemon =
        Daemon.start(scene.lab(), node, Scene.LAUNCHER, meshFile(), variables(environment));
    scene.closeLater(daemon);
    return Scene.announce(daemon, pods);
  }

  /** Starts a daemon as the gateway into this cluster. */
  Daemon gatewayDaemon(Lab.Pod pod, Map<String, String> environment) throws IOException {
    Daemon daemon =
        Daemon.startGateway(
            scene.lab(),
            pod,
            Gateway.IDENTITY.namespace(),
            Gateway.IDENTITY.serviceAccount(),
            Scene.LAUNCHER,
            meshFile(),
            variables(environment));
    scene.closeLater(daemon);
    return daemon;
  }

  private Map<String, String> variables(Map<String, String> more) {
    Map<String, String> variables = new TreeMap<>(Map.of("NETWORK", network, "CLUSTER_ID", name));
    variables.putAll(more);
    return variables;
  }

  private Path meshFile() throws IOException {
    Path file = scene.lab().directory().resolve(name + ".yaml");
    mesh.write(file);
    return file;
  }
}
