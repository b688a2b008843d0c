package io.ztunnel.bench.load;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.MeshFile;
import io.ztunnel.bench.lab.Pause;
import io.ztunnel.bench.lab.ProcessUsage;
import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.NetworkNamespace;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Two nodes with a pair of pods that is captured and a pair that is not, and the servers in them;
 * for the path to another network, also its gateway, and more servers. For one thread.
 */
final class BenchLab implements AutoCloseable {
  static final int HTTP_PORT = 8080;
  static final int IPERF_PORT = 5201;
  static final int ECHO_PORT = 7007;
  private static final String ONE = "one";
  private static final String THREE = "three";
  private static final Duration START_DEADLINE = Duration.ofSeconds(20);

  private final Lab lab;
  private final Path launcher;
  private final Lab.Pod client;
  private final Lab.Pod server;
  private final Lab.Pod directClient;
  private final Lab.Pod directServer;
  private final Route route;

  /** How the client's calls get to the servers. */
  private sealed interface Route {
    /** One mesh, one network. */
    record Direct(Path meshFile) implements Route {}

    /** A service of another network; {@code servers} begins with the one of all loads. */
    record Gateway(DoublePathMesh mesh, List<Lab.Pod> servers, Path west, Path east)
        implements Route {}
  }

  BenchLab(Path launcher, MeshPath path) throws IOException {
    this.launcher = launcher;
    this.lab = Lab.create("bench");
    try {
      Lab.Node first = lab.addNode();
      Lab.Node second = lab.addNode();
      this.client = first.addPod("client");
      this.server = second.addPod("server");
      this.directClient = first.addPod("client0", Lab.Without.REDIRECTION);
      this.directServer = second.addPod("server0", Lab.Without.REDIRECTION);
      this.route =
          switch (path) {
            case SINGLE -> direct();
            case DOUBLE -> throughGateway(second);
          };
    } catch (IOException | RuntimeException e) {
      lab.close();
      throw e;
    }
  }

  private Route direct() throws IOException {
    Path meshFile = lab.directory().resolve("mesh.yaml");
    new MeshFile()
        .workload(client, DoublePathMesh.NAMESPACE, "client", List.of(), List.of())
        .workload(server, DoublePathMesh.NAMESPACE, "server", List.of(), List.of())
        .write(meshFile);
    return new Route.Direct(meshFile);
  }

  private Route throughGateway(Lab.Node node) throws IOException {
    List<Lab.Pod> servers = List.of(server, node.addPod("server2"), node.addPod("server3"));
    DoublePathMesh mesh =
        new DoublePathMesh(
            client,
            node.addPod("gateway", Lab.Without.REDIRECTION),
            Map.of(ONE, List.of(server), THREE, servers),
            List.of(HTTP_PORT, IPERF_PORT, ECHO_PORT));
    Path west = lab.directory().resolve("west.yaml");
    Path east = lab.directory().resolve("east.yaml");
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

    /** Ends all of them, whatever the end of one says. */
    @Override
    public void close() throws IOException {
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
          Map<String, String> variables = new TreeMap<>(DoublePathMesh.westEnvironment());
          variables.putAll(more);
          startDaemon(started, west, variables, List.of(client));
          startDaemon(started, east, DoublePathMesh.eastEnvironment(), servers);
          started.add(
              Daemon.startGateway(
                  lab,
                  mesh.gateway(),
                  DoublePathMesh.GATEWAY_NAMESPACE,
                  mesh.gateway().name(),
                  launcher,
                  east,
                  DoublePathMesh.eastEnvironment()));
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
    Daemon daemon = Daemon.start(lab, pods.getFirst().node(), launcher, meshFile, environment);
    started.add(daemon);
    for (Lab.Pod pod : pods) {
      daemon.add(pod, DoublePathMesh.NAMESPACE, pod.name());
    }
    daemon.finishSnapshot();
  }

  /** How long a daemon without pods takes from its start until it calls itself ready. */
  Duration timeToReady() throws IOException {
    Path meshFile =
        switch (route) {
          case Route.Direct(Path file) -> file;
          case Route.Gateway gateway -> gateway.west();
        };
    long begin = System.nanoTime();
    try (Daemon daemon = Daemon.start(lab, client.node(), launcher, meshFile, Map.of())) {
      daemon.finishSnapshot();
      return Duration.ofNanos(System.nanoTime() - begin);
    }
  }

  Lab.Pod client() {
    return client;
  }

  /** Where the client finds the server of all loads. */
  private String serverAddress() {
    return switch (route) {
      case Route.Direct _ -> server.ipv4().getHostAddress();
      case Route.Gateway gateway -> gateway.mesh().vip(ONE);
    };
  }

  /** Where the client finds the echo server of the server's pod. */
  InetSocketAddress echoOfOne() {
    return new InetSocketAddress(InetAddress.ofLiteral(serverAddress()), ECHO_PORT);
  }

  /** Where the client finds the echo servers of {@link #serverPods}. */
  InetSocketAddress echoOfAll() {
    return switch (route) {
      case Route.Direct _ -> echoOfOne();
      case Route.Gateway gateway ->
          new InetSocketAddress(InetAddress.ofLiteral(gateway.mesh().vip(THREE)), ECHO_PORT);
    };
  }

  /** The server of all loads, and others of a service with it. */
  List<Lab.Pod> serverPods() {
    return switch (route) {
      case Route.Direct _ -> List.of(server);
      case Route.Gateway gateway -> gateway.servers();
    };
  }

  /** An echo server in a pod, which the caller closes. */
  static EchoServer startEcho(Lab.Pod pod) throws IOException {
    try (NetworkNamespace namespace = pod.open()) {
      return new EchoServer(
          namespace.call(ServerSocketChannel::open).bind(new InetSocketAddress(ECHO_PORT), 1024));
    }
  }

  /** A giving server in a pod, where echo servers are otherwise; the caller closes it. */
  static GivingServer startGiving(Lab.Pod pod) throws IOException {
    try (NetworkNamespace namespace = pod.open()) {
      ServerSocket listener =
          namespace.call(ServerSocketChannel::open).bind(new InetSocketAddress(ECHO_PORT)).socket();
      return new GivingServer(listener);
    }
  }

  /**
   * Starts nginx and iperf3 in both server pods, and the TCP hop in the client that is not
   * captured.
   */
  void startServers() throws IOException {
    for (Lab.Pod pod : List.of(server, directServer)) {
      Path directory = Files.createDirectory(lab.directory().resolve(pod.name()));
      Files.writeString(directory.resolve("nginx.conf"), nginxConfiguration(directory));
      Process _ =
          pod.spawn(
              directory.resolve("nginx.log"),
              "nginx",
              "-p",
              directory.toString(),
              "-e",
              "stderr",
              "-c",
              directory.resolve("nginx.conf").toString());
      Path iperfLog = directory.resolve("iperf3.log");
      Process _ =
          pod.spawn(iperfLog, "iperf3", "-s", "-p", String.valueOf(IPERF_PORT), "--forceflush");
      awaitText(iperfLog, "Server listening");
      awaitHttp(pod);
    }
    Path hopLog = lab.directory().resolve("hop.log");
    String address = directServer.ipv4().getHostAddress();
    Process _ =
        directClient.spawn(
            hopLog,
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-XX:+UseSerialGC",
            "-Xmx192m",
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            System.getProperty("java.class.path"),
            TcpHop.class.getName(),
            String.valueOf(HTTP_PORT),
            address + ":" + HTTP_PORT,
            String.valueOf(IPERF_PORT),
            address + ":" + IPERF_PORT);
    awaitText(hopLog, "ready");
  }

  private static String nginxConfiguration(Path directory) {
    return """
      daemon off;
      user root;
      worker_processes 2;
      pid %1$s/nginx.pid;
      events { worker_connections 4096; }
      http {
        access_log off;
        keepalive_requests 1000000000;
        keepalive_timeout 600s;
        client_body_temp_path %1$s/body;
        proxy_temp_path %1$s/proxy;
        fastcgi_temp_path %1$s/fastcgi;
        uwsgi_temp_path %1$s/uwsgi;
        scgi_temp_path %1$s/scgi;
        server {
          listen %2$d backlog=4096;
          location / { return 200 "Hello.\\n"; }
        }
      }
      """
        .formatted(directory, HTTP_PORT);
  }

  private static void awaitHttp(Lab.Pod pod) throws IOException {
    Lab.Output output =
        pod.exec(
            START_DEADLINE,
            "curl",
            "--silent",
            "--show-error",
            "--retry",
            "20",
            "--retry-delay",
            "1",
            "--retry-connrefused",
            "--output",
            "/dev/null",
            "http://127.0.0.1:" + HTTP_PORT + "/");
    if (output.exitStatus() != 0) {
      throw new IOException("nginx in pod " + pod.name() + ": " + output.err().strip());
    }
  }

  private static void awaitText(Path file, String text) throws IOException {
    long end = System.nanoTime() + START_DEADLINE.toNanos();
    while (!Files.readString(file).contains(text)) {
      if (System.nanoTime() > end) {
        throw new IOException(
            "%s: no \"%s\" in %s".formatted(file.getFileName(), text, Files.readString(file)));
      }
      Pause.of(Duration.ofMillis(20));
    }
  }

  /**
   * Runs a load once; the CPU time in the result is 0, because the lab does not know the daemons.
   */
  Run run(Load load, Arrangement arrangement, Duration time) throws IOException {
    Lab.Pod from = arrangement == Arrangement.MESH ? client : directClient;
    String address =
        switch (arrangement) {
          case DIRECT -> directServer.ipv4().getHostAddress();
          case TCP_HOP -> "127.0.0.1";
          case MESH -> serverAddress();
        };
    return LoadProgram.run(load, from, address, time);
  }

  @Override
  public void close() throws IOException {
    lab.close();
  }
}
