package io.ztunnel.bench.lab;

import io.ztunnel.redirection.Lab;
import io.ztunnel.xds.FakeControlPlane;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * One of two clusters that are joined: two nodes, the gateway into its network, and its part of the
 * global services, of which its control plane tells its daemons what istiod would. For one thread.
 */
public final class JoinedCluster implements AutoCloseable {
  public static final int SERVICE_PORT = 80;
  public static final int WEB_PORT = 8080;

  private final String name;
  private final Lab.Node first;
  private final Lab.Node second;
  private final Lab.Pod gatewayPod;
  private final Map<String, String> gatewayEnvironment;
  private final DemoCluster daemons;

  /** Pods, each with the service that it serves, or an empty text. */
  private final Map<Lab.Pod, String> pods = new LinkedHashMap<>();

  private final Map<String, InetAddress> services = new LinkedHashMap<>();

  /** What the control plane said last, by name. */
  private Map<String, FakeControlPlane.Entry> told = Map.of();

  private @Nullable Daemon gateway;

  /**
   * A cluster without pods.
   *
   * @param story where it is told what starts
   * @param environment variables of all its daemons; the gateway's never asks on demand
   */
  public JoinedCluster(
      Lab lab, Path launcher, Story story, String name, Map<String, String> environment)
      throws IOException {
    this.name = name;
    this.first = lab.addNode();
    this.second = lab.addNode();
    this.gatewayPod = first.addPod("gateway-" + name, Lab.Without.REDIRECTION);
    Map<String, String> variables = new TreeMap<>(Map.of("NETWORK", network(), "CLUSTER_ID", name));
    variables.putAll(environment);
    this.daemons = new DemoCluster(lab, lab.addNode(), launcher, story, variables);
    // Tunnels stay open for long, and the access log tells of their end: here of their beginning,
    // too.
    this.gatewayEnvironment = new TreeMap<>(Map.of("RUST_LOG", "info,access=debug"));
    gatewayEnvironment.putAll(environment);
    gatewayEnvironment.put("XDS_ON_DEMAND", "false"); // it has to know all services
  }

  public String name() {
    return name;
  }

  String network() {
    return "net-" + name;
  }

  public Lab.Node first() {
    return first;
  }

  public Lab.Node second() {
    return second;
  }

  DemoCluster daemons() {
    return daemons;
  }

  /** Of nodes and gateway. May be asked by any thread. */
  public List<Daemon> allDaemons() {
    List<Daemon> all = new ArrayList<>(daemons.daemons());
    all.add(gateway());
    return all;
  }

  /** That of a pod's node. */
  public Daemon daemon(Lab.Pod pod) {
    return daemons.daemon(pod);
  }

  Daemon gateway() {
    if (gateway == null) {
      throw new IllegalStateException("the gateway of " + name + " was not started");
    }
    return gateway;
  }

  String gatewayNamespace() {
    return gatewayPod.namespace();
  }

  /** Where the other cluster finds the gateway. */
  InetAddress gatewayAddress() {
    return gatewayPod.node().ipv4();
  }

  /** Keeps the pods of this cluster and of another one apart. */
  public void closeBorder(JoinedCluster other) throws IOException {
    for (Lab.Node node : List.of(first, second)) {
      Border.close(node, List.of(other.first, other.second));
    }
    Border.publish(gatewayPod, WireMesh.HBONE_PORT, WireMesh.HBONE_PORT);
  }

  /** Has this address for a global service. */
  public void addService(String service, InetAddress vip) {
    services.put(service, vip);
  }

  /** The address of a service here. */
  public InetAddress vip(String service) {
    InetAddress vip = services.get(service);
    if (vip == null) {
      throw new IllegalArgumentException(service + " (expected: one of " + services + ")");
    }
    return vip;
  }

  /** A new pod, that serves nothing. */
  public Lab.Pod addPod(Lab.Node node, String podName) throws IOException {
    Lab.Pod pod = node.addPod(podName);
    pods.put(pod, "");
    return pod;
  }

  /** A pod begins to serve a service, or ends to, and both control planes are to be told. */
  public void setServing(Lab.Pod pod, String service) {
    pods.put(pod, service);
  }

  /** Starts the daemons of both nodes, with the pods that are there, and the gateway. */
  public void startDaemons() throws IOException {
    for (Lab.Node node : List.of(first, second)) {
      daemons.startDaemon(podsOf(node));
    }
    gateway = daemons.startGateway(gatewayPod, gatewayEnvironment);
  }

  private List<Lab.Pod> podsOf(Lab.Node node) {
    return pods.keySet().stream().filter(pod -> pod.node() == node).toList();
  }

  /**
   * Has another daemon take the pods of a node over; the one before ends when its connections have,
   * for which this does not wait.
   */
  public void replaceDaemon(Lab.Node node) throws IOException {
    daemons.replaceDaemon(node, podsOf(node));
  }

  /** Waits until all daemons that were replaced have ended; fails if one does not as it should. */
  public void awaitReplaced() throws IOException {
    daemons.awaitAllLeft();
  }

  /** The daemons that were replaced and have ended: nothing but their logs is there. */
  public List<Daemon> goneDaemons() {
    return daemons.gone();
  }

  /** Has the agent announce a pod that has come after its node's daemon. */
  public void announce(Lab.Pod pod) throws IOException {
    daemons.daemon(pod).add(pod, WireMesh.NAMESPACE, pod.name());
  }

  /** Has the agent take a pod back. */
  public void takeBack(Lab.Pod pod) throws IOException {
    daemons.daemon(pod).delete(pod);
  }

  /** Forgets a pod, of which both control planes are to be told. */
  public void removePod(Lab.Pod pod) {
    pods.remove(pod);
  }

  /** Restarts the agent of a node, which announces all its pods again. */
  public void restartAgent(Lab.Node node) throws IOException {
    Daemon daemon = daemons.daemon(node);
    daemon.reconnectAgent();
    DemoCluster.announce(podsOf(node), daemon);
  }

  /** What the daemons are told by. */
  public FakeControlPlane controlPlane() {
    return daemons.controlPlane().server();
  }

  /**
   * Sends the daemons what has changed in this cluster and in the other one; in effect when this
   * returns.
   */
  public void tell(JoinedCluster other) {
    Map<String, FakeControlPlane.Entry> now = new LinkedHashMap<>();
    for (FakeControlPlane.Entry entry : resources(other)) {
      now.put(entry.name(), entry);
    }
    FakeControlPlane server = daemons.controlPlane().server();
    List<FakeControlPlane.Entry> changed =
        now.values().stream().filter(entry -> !isTold(entry)).toList();
    Set<String> gone = new HashSet<>(told.keySet());
    gone.removeAll(now.keySet());
    told = now;
    if (!changed.isEmpty()) {
      server.put(FakeControlPlane.ADDRESS, changed);
    }
    if (!gone.isEmpty()) {
      server.remove(FakeControlPlane.ADDRESS, gone);
    }
    server.awaitAnswers();
  }

  private boolean isTold(FakeControlPlane.Entry entry) {
    FakeControlPlane.Entry before = told.get(entry.name());
    return before != null && before.version().equals(entry.version());
  }

  private List<FakeControlPlane.Entry> resources(JoinedCluster other) {
    List<FakeControlPlane.Entry> entries = new ArrayList<>();
    pods.forEach((pod, service) -> entries.add(workload(pod, service)));
    entries.add(WireWorkload.gateway(other.network(), other.gatewayAddress()).entry());
    for (String service : services.keySet()) {
      List<Lab.Pod> remote = other.serving(service);
      entries.add(service(service, other, remote));
      if (!remote.isEmpty()) {
        entries.add(
            WireWorkload.behind(
                    other.gatewayAddress(), other.network(), other.name, service, remote.size())
                .serving(service, SERVICE_PORT, WEB_PORT)
                .entry());
      }
    }
    return entries;
  }

  private FakeControlPlane.Entry workload(Lab.Pod pod, String service) {
    WireWorkload workload = WireWorkload.of(pod).in(network(), name);
    return service.isEmpty()
        ? workload.entry()
        : workload.serving(service, SERVICE_PORT, WEB_PORT).entry();
  }

  private FakeControlPlane.Entry service(
      String service, JoinedCluster other, List<Lab.Pod> remotePods) {
    WireService wire =
        new WireService(service, SERVICE_PORT, WEB_PORT)
            .at(network(), vip(service))
            .at(other.network(), other.vip(service))
            .preferClose();
    for (Lab.Pod pod : remotePods) {
      wire.reaching(WireMesh.principal(pod));
    }
    return wire.entry();
  }

  private List<Lab.Pod> serving(String service) {
    return pods.keySet().stream().filter(pod -> service.equals(pods.get(pod))).toList();
  }

  /** Ends the daemons as a node does. */
  @Override
  public void close() throws IOException {
    try (daemons) {
      if (gateway != null) {
        gateway.close();
      }
    }
  }
}
