package io.ztunnel.bench.lab;

import io.ztunnel.redirection.Lab;
import io.ztunnel.xds.ControlPlanePki;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The daemons of a demo's cluster, one on each node, and the control plane that feeds them. For one
 * thread.
 */
final class DemoCluster implements AutoCloseable {
  private final Lab lab;
  private final Path launcher;
  private final Story story;
  private final Map<String, String> environment;
  private final LabControlPlane controlPlane;
  private final Map<Lab.Node, Daemon> daemons = new LinkedHashMap<>();

  /**
   * @param controlPlaneNode where the control plane listens
   * @param environment what the daemons are told besides where it is
   */
  DemoCluster(
      Lab lab,
      Lab.Node controlPlaneNode,
      Path launcher,
      Story story,
      Map<String, String> environment)
      throws IOException {
    this.lab = lab;
    this.launcher = launcher;
    this.story = story;
    this.environment = Map.copyOf(environment);
    this.controlPlane =
        LabControlPlane.startForAll(lab, controlPlaneNode, ControlPlanePki.create("control plane"));
  }

  LabControlPlane controlPlane() {
    return controlPlane;
  }

  /** Starts a daemon for some pods, all of one node; ready when this returns. */
  void startDaemon(List<Lab.Pod> pods) throws IOException {
    Lab.Node node = pods.getFirst().node();
    long begin = System.nanoTime();
    Daemon daemon = Daemon.start(lab, node, launcher, controlPlane, environment);
    daemons.put(node, daemon);
    for (Lab.Pod pod : pods) {
      daemon.add(pod, WireMesh.NAMESPACE, pod.name());
    }
    daemon.finishSnapshot();
    started(daemon, node.ipv4().getHostAddress(), begin);
    for (Lab.Pod pod : pods) {
      story.say(
          "   pod %-10s %-12s spiffe://%s"
              .formatted(pod.name(), pod.ipv4().getHostAddress(), WireMesh.principal(pod)));
    }
  }

  /**
   * Starts a gateway into this cluster's network; ready when this returns. Belongs to the caller.
   */
  Daemon startGateway(Lab.Pod pod, Map<String, String> more) throws IOException {
    Map<String, String> variables = new LinkedHashMap<>(environment);
    variables.putAll(more);
    long begin = System.nanoTime();
    Daemon gateway =
        Daemon.startGateway(
            lab,
            pod,
            WireWorkload.SYSTEM_NAMESPACE,
            WireWorkload.GATEWAY,
            launcher,
            controlPlane,
            variables);
    started(gateway, pod.ipv4().getHostAddress(), begin);
    return gateway;
  }

  private void started(Daemon daemon, String address, long begin) {
    story.say(
        "%-9s  %-11s  daemon %d, ready after %.2f s"
            .formatted(daemon.name(), address, daemon.pid(), (System.nanoTime() - begin) / 1e9));
  }

  /** That of a pod's node. */
  Daemon daemon(Lab.Pod pod) {
    return daemon(pod.node());
  }

  Daemon daemon(Lab.Node node) {
    Daemon daemon = daemons.get(node);
    if (daemon == null) {
      throw new IllegalStateException(Daemon.nodeName(node) + " has no daemon yet");
    }
    return daemon;
  }

  /** In the order of their start. */
  List<Daemon> daemons() {
    return new ArrayList<>(daemons.values());
  }

  /** Ends the daemons as a node does. */
  @Override
  public void close() throws IOException {
    try (controlPlane) {
      for (Daemon daemon : daemons.values()) {
        daemon.close();
      }
    }
  }
}
