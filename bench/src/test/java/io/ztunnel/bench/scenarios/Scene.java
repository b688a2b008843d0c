package io.ztunnel.bench.scenarios;

import io.ztunnel.bench.lab.Application;
import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.MeshFile;
import io.ztunnel.bench.lab.Requirements;
import io.ztunnel.redirection.Lab;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What the tests of a class share: a lab, the mesh that daemons read, daemons and applications.
 * Ends all of it, the last first. For one thread.
 */
final class Scene implements Closeable {
  static final Path LAUNCHER = Path.of("..", "ztunnel").toAbsolutePath().normalize();

  private final Lab lab;
  private final MeshFile mesh = new MeshFile();
  private final Deque<Closeable> parts = new ArrayDeque<>();

  private Scene(Lab lab) {
    this.lab = lab;
  }

  /** Skips the test, loudly, where there can be no lab. */
  static Scene create(String word) throws IOException {
    Requirements.assumeLabWith();
    return new Scene(Lab.create(word));
  }

  Lab lab() {
    return lab;
  }

  void workload(Entry entry) {
    mesh.workloadEntry(entry.toString());
  }

  void service(Entry entry) {
    mesh.serviceEntry(entry.toString());
  }

  void policy(Entry entry) {
    mesh.policyEntry(entry.toString());
  }

  /** Adds a pod with both address families, captured unless made without, to lab and mesh. */
  Lab.Pod pod(Lab.Node node, String name, Lab.Without... without) throws IOException {
    Lab.Pod pod = node.addPod(name, without);
    workload(Entry.workload(pod, pod.ipv4(), pod.ipv6()));
    return pod;
  }

  /** Writes the mesh as it is by now; returns the file. */
  Path meshFile() throws IOException {
    Path file = lab.directory().resolve("mesh.yaml");
    mesh.write(file);
    return file;
  }

  /** Starts the daemon of a node with these pods and waits until it is ready. */
  Daemon daemon(Lab.Node node, Map<String, String> environment, Lab.Pod... pods)
      throws IOException {
    Daemon daemon = Daemon.start(lab, node, LAUNCHER, meshFile(), environment);
    closeLater(daemon);
    return announce(daemon, pods);
  }

  /** As above, for one of several daemons of a node. */
  Daemon daemon(String name, Lab.Node node, Map<String, String> environment, Lab.Pod... pods)
      throws IOException {
    Daemon daemon = Daemon.start(lab, node, name, LAUNCHER, meshFile(), environment);
    closeLater(daemon);
    return announce(daemon, pods);
  }

  static Daemon announce(Daemon daemon, Lab.Pod... pods) throws IOException {
    for (Lab.Pod pod : pods) {
      daemon.add(pod, "shop", pod.name());
    }
    daemon.finishSnapshot();
    return daemon;
  }

  /** Starts a daemon in dedicated mode in a pod, with the lab's mark so that it is not captured. */
  Daemon dedicated(Lab.Pod pod) throws IOException {
    Daemon daemon =
        Daemon.startDedicated(
            lab, pod, "shop", pod.name(), LAUNCHER, meshFile(), Map.of("PACKET_MARK", "1337"));
    closeLater(daemon);
    return daemon;
  }

  /** Starts a gateway between networks in a pod. */
  Daemon gateway(Lab.Pod pod, Map<String, String> environment) throws IOException {
    Daemon daemon =
        Daemon.startGateway(lab, pod, "shop", pod.name(), LAUNCHER, meshFile(), environment);
    closeLater(daemon);
    return daemon;
  }

  /** Starts an application. */
  App app(Lab.Place place, int port, Application.Service service) throws IOException {
    App app = App.start(place, port, service);
    closeLater(app);
    return app;
  }

  /** Closes this with the scene, before what was made earlier. */
  void closeLater(Closeable part) {
    parts.push(part);
  }

  @Override
  public void close() throws IOException {
    for (Closeable part : parts) {
      if (part instanceof Daemon daemon) {
        daemon.tellToEnd();
      }
    }
    parts.addLast(lab::close);
    @Nullable IOException failure = null;
    for (Closeable part : parts) {
      try {
        part.close();
      } catch (IOException e) {
        if (failure != null) {
          e.addSuppressed(failure);
        }
        failure = e;
      }
    }
    if (failure != null) {
      throw failure;
    }
  }
}
