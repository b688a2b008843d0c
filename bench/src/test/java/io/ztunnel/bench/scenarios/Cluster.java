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

  private Entry entry(String service, String vip, String ports) {
    return Entry.service(service, vip, "{" + ports + "}")
        .with("vips", "[\"%s/%s\"]".formatted(network, vip));
  }

  /** Tells of a gateway into a cluster, this one or another. */
  void gateway(Cluster into, Lab.Pod pod) {
    workload(into.gateway(Entry.workload(pod, pod.ipv4()), address(pod)));
  }

  /** The same entry as that of a gateway into this cluster, by its address or its name. */
  Entry gateway(Entry entry, String destination) {
    return entry
        .with("uid", "NetworkGateway/%s/%s/0".formatted(network, destination))
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
    service(entry(service, vip, ports).with("subjectAltNames", sans));
    String via = address(gateway);
    workload(
        Entry.workload(service + "-remote")
            .with(
                "uid",
                "%s/SplitHorizonWorkload/istio-system/%s/shop/%s"
                    .formatted(other.network, via, service))
            .with("network", other.network)
            .with("clusterId", other.name)
            .with("capacity", "2")
            .with(
                "networkGateway",
                "{destination: \"%s/%s\", hboneMtlsPort: 15008}".formatted(other.network, via))
            .serving(service, ports));
  }

  private static String address(Lab.Pod pod) {
    return pod.ipv4().getHostAddress();
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
