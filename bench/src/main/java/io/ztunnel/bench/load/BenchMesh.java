package io.ztunnel.bench.load;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.MeshFile;
import io.ztunnel.bench.lab.ProcessUsage;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Two nodes' captured pods and the mesh that they are in, for the daemons of one build; for the
 * path to another network also its gateway, and more servers. For one thread.
 */
final class BenchMesh {
  private static final String ONE = "one";
  private static final String THREE = "three";

  private final Lab lab;
  private final String suffix;
  private final Path launcher;
  private final Map<String, String> variables;
  private final Lab.Pod client;
  private final Lab.Pod server;
  private final Route route;

  /**
   * Adds the pods to two nodes.
   *
   * @param suffix of the pods' names: those of a lab are different
   * @param launcher the {@code ztunnel} script of the build
   * @param variables of all daemons
   */
  BenchMesh(
      Lab lab,
      Lab.Node first,
      Lab.Node second,
      String suffix,
      Path launcher,
      Map<String, String> variables,
      MeshPath path)
      throws IOException {
    this.lab = lab;
    this.suffix = suffix;
    this.launcher = launcher;
    this.variables = variables;
    this.client = BenchLab.addPod(first, "client" + suffix);
    this.server = BenchLab.addPod(second, "server" + suffix);
    this.route =
        switch (path) {
          case SINGLE -> direct();
          case DOUBLE -> throughGateway(second);
        };
  }

  /** How the client's calls get to the servers. */
  private sealed interface Route {
    /** One mesh, one network. */
    record Direct(Path meshFile) implements Route {}

    /** A service of another network; {@code servers} begins with the one of all loads. */
    record Gateway(DoublePathMesh mesh, List<Lab.Pod> servers, Path west, Path east)
        implements Route {}
  }

  private Path file(String name, String extension) {
    return lab.directory().resolve(name + suffix + extension);
  }

  private Route direct() throws IOException {
    Path meshFile = file("mesh", ".yaml");
    new MeshFile()
        .workload(client, DoublePathMesh.NAMESPACE, client.name(), List.of(), List.of())
        .workload(server, DoublePathMesh.NAMESPACE, server.name(), List.of(), List.of())
        .write(meshFile);
    return new Route.Direct(meshFile);
  }

  private Route throughGateway(Lab.Node node) throws IOException {
    List<Lab.Pod> servers =
        List.of(
            server,
            BenchLab.addPod(node, "server2" + suffix),
            BenchLab.addPod(node, "server3" + suffix));
    DoublePathMesh mesh =
        new DoublePathMesh(
            client,
            node.addPod("gateway" + suffix, Lab.Without.REDIRECTION),
            Map.of(ONE, List.of(server), THREE, servers),
            List.of(BenchLab.HTTP_PORT, BenchLab.IPERF_PORT, BenchLab.ECHO_PORT));
    Path west = file("west", ".yaml");
    Path east = file("east", ".yaml");
    mesh.writeWest(west);
    mesh.writeEast(east);
    return new Route.Gateway(mesh, servers, west, east);
  }

  /** The daemons of a measurement, the client's first. */
  record Daemons(List<Daemon> all) implements AutoCloseable {
    Duration cpuTime() throws IOException {
      Duration sum = Duration.ZERO;
      for (Daemon daemon : all) {
        sum = sum.plus(ProcessUsage.cpuTime(daemon.pid()));
      }
      return sum;
    }

    /** Ends all of them side by side, whatever the end of one says. */
    @Override
    public void close() throws IOException {
      all.forEach(Daemon::tellToEnd);
      IOException failure = null;
      for (Daemon daemon : all) {
        try {
          daemon.close();
        } catch (IOException e) {
          failure = e;
        }
      }
      if (failure != null) {
        throw failure;
      }
    }
  }

  /** Starts a daemon on each node, and the gateway if there is one; ready when this returns. */
  Daemons startDaemons() throws IOException {
    return startDaemons(Map.of());
  }

  /**
   * As above.
   *
   * @param more variables of the client's daemon
   */
  Daemons startDaemons(Map<String, String> more) throws IOException {
    List<Daemon> started = new ArrayList<>();
    try {
      switch (route) {
        case Route.Direct(Path meshFile) -> {
          startDaemon(started, meshFile, more, List.of(client));
          startDaemon(started, meshFile, Map.of(), List.of(server));
        }
        case Route.Gateway(DoublePathMesh mesh, List<Lab.Pod> servers, Path west, Path east) -> {
          Map<String, String> clients = new TreeMap<>(DoublePathMesh.westEnvironment());
          clients.putAll(more);
          startDaemon(started, west, clients, List.of(client));
          startDaemon(started, east, DoublePathMesh.eastEnvironment(), servers);
          started.add(
              Daemon.startGateway(
                  lab,
                  mesh.gateway(),
                  DoublePathMesh.GATEWAY_NAMESPACE,
                  mesh.gateway().name(),
                  launcher,
                  east,
                  all(DoublePathMesh.eastEnvironment())));
        }
      }
      return new Daemons(List.copyOf(started));
    } catch (IOException | RuntimeException e) {
      new Daemons(started).close();
      throw e;
    }
  }

  /** Adds it to those that were started as soon as it runs. */
  private void startDaemon(
      List<Daemon> started, Path meshFile, Map<String, String> environment, List<Lab.Pod> pods)
      throws IOException {
    Daemon daemon = Daemon.start(lab, pods.getFirst().node(), launcher, meshFile, all(environment));
    started.add(daemon);
    for (Lab.Pod pod : pods) {
      daemon.add(pod, DoublePathMesh.NAMESPACE, pod.name());
    }
    daemon.finishSnapshot();
  }

  private Map<String, String> all(Map<String, String> environment) {
    Map<String, String> all = new TreeMap<>(environment);
    all.putAll(variables);
    return all;
  }

  /** How long a daemon without pods takes from its start until it calls itself ready. */
  Duration timeToReady() throws IOException {
    Path meshFile =
        switch (route) {
          case Route.Direct(Path file) -> file;
          case Route.Gateway gateway -> gateway.west();
        };
    long begin = System.nanoTime();
    try (Daemon daemon = Daemon.start(lab, client.node(), launcher, meshFile, all(Map.of()))) {
      daemon.finishSnapshot();
      return Duration.ofNanos(System.nanoTime() - begin);
    }
  }

  Lab.Pod client() {
    return client;
  }

  /** Where the server of all loads is. */
  Lab.Pod server() {
    return server;
  }

  /** Where the client finds the server of all loads. */
  String serverAddress() {
    return switch (route) {
      case Route.Direct _ -> server.ipv4().getHostAddress();
      case Route.Gateway gateway -> gateway.mesh().vip(ONE);
    };
  }

  /** Where the client finds the echo server of the server's pod. */
  InetSocketAddress echoOfOne() {
    return new InetSocketAddress(InetAddress.ofLiteral(serverAddress()), BenchLab.ECHO_PORT);
  }

  /** Where the client finds the echo servers of {@link #serverPods}. */
  InetSocketAddress echoOfAll() {
    return switch (route) {
      case Route.Direct _ -> echoOfOne();
      case Route.Gateway gateway ->
          new InetSocketAddress(
              InetAddress.ofLiteral(gateway.mesh().vip(THREE)), BenchLab.ECHO_PORT);
    };
  }

  /** The server of all loads, and others of a service with it. */
  List<Lab.Pod> serverPods() {
    return switch (route) {
      case Route.Direct _ -> List.of(server);
      case Route.Gateway gateway -> gateway.servers();
    };
  }
}
