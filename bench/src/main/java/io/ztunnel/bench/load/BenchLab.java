package io.ztunnel.bench.load;

import io.ztunnel.bench.lab.Pause;
import io.ztunnel.bench.lab.ProcessUsage;
import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.NetworkNamespace;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Nodes with a pair of pods that is not captured, and for each build that is measured a {@link
 * BenchMesh} with a pair that is; and the servers in them. For one thread.
 */
final class BenchLab implements AutoCloseable {
  static final int HTTP_PORT = 8080;
  static final int IPERF_PORT = 5201;
  static final int ECHO_PORT = 7007;
  private static final Duration START_DEADLINE = Duration.ofSeconds(20);

  private final Lab lab;
  private final BenchMesh mesh;
  private final Optional<BenchMesh> beside;
  private final Lab.Pod directClient;
  private final Lab.Pod directServer;
  private @Nullable Process hop;

  BenchLab(Path launcher, Optional<Options.Beside> others, MeshPath path) throws IOException {
    this.lab = Lab.create("bench");
    try {
      Lab.Node first = lab.addNode();
      Lab.Node second = lab.addNode();
      this.mesh = new BenchMesh(lab, first, second, "", launcher, Map.of(), path);
      this.directClient = addPod(first, "client0", Lab.Without.REDIRECTION);
      this.directServer = addPod(second, "server0", Lab.Without.REDIRECTION);
      this.beside =
          others.isEmpty()
              ? Optional.empty()
              : Optional.of(
                  new BenchMesh(
                      lab,
                      lab.addNode(),
                      lab.addNode(),
                      "-beside",
                      others.get().launcher(),
                      others.get().variables(),
                      path));
    } catch (IOException | RuntimeException e) {
      lab.close();
      throw e;
    }
  }

  /**
   * Adds a pod. Clients in it, and daemons that connect to its servers, use a port again a second
   * after the end of a connection, not a minute: who makes thousands a second has used up all ports
   * in no time, and then measures how the kernel looks for one (8 ms each).
   */
  static Lab.Pod addPod(Lab.Node node, String name, Lab.Without... without) throws IOException {
    Lab.Pod pod = node.addPod(name, without);
    pod.setParameter("ipv4/tcp_tw_reuse", "1");
    return pod;
  }

  /** The pods between which the daemons of this build are. */
  BenchMesh mesh() {
    return mesh;
  }

  /** The same of the other daemons, if there are any. */
  Optional<BenchMesh> beside() {
    return beside;
  }

  Lab.Pod directClient() {
    return directClient;
  }

  Lab.Pod directServer() {
    return directServer;
  }

  /** Where the client that is not captured finds the echo server of its server's pod. */
  InetSocketAddress echoOfDirect() {
    return new InetSocketAddress(directServer.ipv4(), ECHO_PORT);
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
    List<Lab.Pod> pods = new ArrayList<>(List.of(mesh.server(), directServer));
    beside.ifPresent(other -> pods.add(other.server()));
    for (Lab.Pod pod : pods) {
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
    hop =
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

  /** What the TCP hop has used so far. */
  Duration hopCpuTime() throws IOException {
    if (hop == null) {
      throw new IllegalStateException("the servers do not run (expected: startServers before)");
    }
    return ProcessUsage.cpuTime(hop.pid());
  }

  /**
   * Runs a load once; the CPU time in the result is 0, because the lab does not know the daemons.
   */
  Run run(Load load, Arrangement arrangement, Duration time) throws IOException {
    return switch (arrangement) {
      case DIRECT ->
          LoadProgram.run(load, directClient, directServer.ipv4().getHostAddress(), time);
      case TCP_HOP -> LoadProgram.run(load, directClient, "127.0.0.1", time);
      case MESH -> run(load, mesh, time);
      case BESIDE -> run(load, beside.orElseThrow(), time);
    };
  }

  private static Run run(Load load, BenchMesh mesh, Duration time) throws IOException {
    return LoadProgram.run(load, mesh.client(), mesh.serverAddress(), time);
  }

  @Override
  public void close() throws IOException {
    lab.close();
  }
}
