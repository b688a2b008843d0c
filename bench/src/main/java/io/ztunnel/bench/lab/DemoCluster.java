package io.ztunnel.bench.lab;

import io.ztunnel.redirection.Lab;
import io.ztunnel.xds.ControlPlanePki;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The daemons of a demo's cluster, one on each node, and the control plane that feeds them. For one
 * thread.
 */
final class DemoCluster implements AutoCloseable {
  private static final Duration LEAVING_DEADLINE = Duration.ofSeconds(30);

  private final Lab lab;
  private final Path launcher;
  private final Story story;
  private final Map<String, String> environment;
  private final LabControlPlane controlPlane;

  /** Which daemons there are may be asked by any thread. */
  private final Map<Lab.Node, Daemon> daemons = Collections.synchronizedMap(new LinkedHashMap<>());

  /** Where a node's next daemon will run. */
  private final Map<Lab.Node, Lab.Node> places = new LinkedHashMap<>();

  /** Those that serve the connections that they have to the end, by their node. */
  private final Map<Lab.Node, Daemon> leaving = new LinkedHashMap<>();

  private final List<Daemon> gone = new ArrayList<>();

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
    announce(pods, daemon);
    started(daemon, node.ipv4().getHostAddress(), begin);
    for (Lab.Pod pod : pods) {
      story.say(
          "   pod %-10s %-12s spiffe://%s"
              .formatted(pod.name(), pod.ipv4().getHostAddress(), WireMesh.principal(pod)));
    }
  }

  /** Sends a daemon the snapshot of its node as an agent does; it is ready when this returns. */
  static void announce(List<Lab.Pod> pods, Daemon daemon) throws IOException {
    for (Lab.Pod pod : pods) {
      daemon.add(pod, WireMesh.NAMESPACE, pod.name());
    }
    daemon.finishSnapshot();
  }

  /**
   * Updates the daemon of a node as a DaemonSet that surges does: another one takes the pods over,
   * and the one before is told to end, which it may take its time for. Fails if the one before that
   * has not ended as it should.
   *
   * @param pods those of the node
   */
  void replaceDaemon(Lab.Node node, List<Lab.Pod> pods) throws IOException {
    awaitLeft(node);
    Lab.Node place = places.get(node);
    if (place == null) {
      place = lab.addNode();
    }
    Daemon old = daemon(node);
    String name = Daemon.nodeName(node) + "-" + (gone.size() + 2);
    Daemon fresh =
        Daemon.startSuccessor(lab, place, node, name, launcher, controlPlane, environment);
    daemons.put(node, fresh);
    leaving.put(node, old);
    places.put(node, old.node());
    announce(pods, fresh);
    old.tellToEnd();
  }

  /** Waits until all daemons that have been replaced have ended. */
  void awaitAllLeft() throws IOException {
    for (Lab.Node node : List.copyOf(leaving.keySet())) {
      awaitLeft(node);
    }
  }

  private void awaitLeft(Lab.Node node) throws IOException {
    Daemon old = leaving.get(node);
    if (old == null) {
      return;
    }
    int status = old.awaitExit(LEAVING_DEADLINE);
    if (status != 0) {
      throw new IOException("%s ended with %d (expected: 0)".formatted(old.name(), status));
    }
    old.close();
    leaving.remove(node);
    gone.add(old);
  }

  /** Those that were replaced and have ended. */
  List<Daemon> gone() {
    return List.copyOf(gone);
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

  /** One of each node. */
  List<Daemon> daemons() {
    synchronized (daemons) {
      return new ArrayList<>(daemons.values());
    }
  }

  /** Ends the daemons as a node does. */
  @Override
  public void close() throws IOException {
    try (controlPlane) {
      for (Daemon daemon : leaving.values()) {
        daemon.close();
      }
      for (Daemon daemon : daemons()) {
        daemon.close();
      }
    }
  }
}
