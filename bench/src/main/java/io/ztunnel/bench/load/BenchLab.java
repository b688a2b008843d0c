package io.ztunnel.bench.load;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.MeshFile;
import io.ztunnel.bench.lab.Pause;
import io.ztunnel.bench.lab.ProcessUsage;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/**
 * Two nodes with a pair of pods that is captured and a pair that is not, and the servers in them.
 * For one thread.
 */
final class BenchLab implements AutoCloseable {
  static final int HTTP_PORT = 8080;
  static final int IPERF_PORT = 5201;
  private static final String NAMESPACE = "bench";
  private static final Duration START_DEADLINE = Duration.ofSeconds(20);

  private final Lab lab;
  private final Path launcher;
  private final Path meshFile;
  private final Lab.Pod client;
  private final Lab.Pod server;
  private final Lab.Pod directClient;
  private final Lab.Pod directServer;

  BenchLab(Path launcher) throws IOException {
    this.launcher = launcher;
    this.lab = Lab.create("bench");
    try {
      Lab.Node first = lab.addNode();
      Lab.Node second = lab.addNode();
      this.client = first.addPod("client");
      this.server = second.addPod("server");
      this.directClient = first.addPod("client0", Lab.Without.REDIRECTION);
      this.directServer = second.addPod("server0", Lab.Without.REDIRECTION);
      this.meshFile = lab.directory().resolve("mesh.yaml");
      new MeshFile()
          .workload(client, NAMESPACE, "client", List.of(), List.of())
          .workload(server, NAMESPACE, "server", List.of(), List.of())
          .write(meshFile);
    } catch (IOException | RuntimeException e) {
      lab.close();
      throw e;
    }
  }

  /** The two daemons of a measurement. */
  record Daemons(Daemon ofClient, Daemon ofServer) implements AutoCloseable {
    Duration cpuTime() throws IOException {
      return ProcessUsage.cpuTime(ofClient.pid()).plus(ProcessUsage.cpuTime(ofServer.pid()));
    }

    @Override
    public void close() throws IOException {
      try (ofClient;
          ofServer) {
        // Both, whatever the first one's end says.
      }
    }
  }

  /** Starts a daemon on each node; ready when this returns. */
  Daemons startDaemons() throws IOException {
    Daemon first = startDaemon(client);
    try {
      return new Daemons(first, startDaemon(server));
    } catch (IOException | RuntimeException e) {
      first.close();
      throw e;
    }
  }

  private Daemon startDaemon(Lab.Pod pod) throws IOException {
    Daemon daemon = Daemon.start(lab, pod.node(), launcher, meshFile, Map.of());
    try {
      daemon.add(pod, NAMESPACE, pod.name());
      daemon.finishSnapshot();
      return daemon;
    } catch (IOException | RuntimeException e) {
      daemon.close();
      throw e;
    }
  }

  /** How long a daemon without pods takes from its start until it calls itself ready. */
  Duration timeToReady() throws IOException {
    long begin = System.nanoTime();
    try (Daemon daemon = Daemon.start(lab, client.node(), launcher, meshFile, Map.of())) {
      daemon.finishSnapshot();
      return Duration.ofNanos(System.nanoTime() - begin);
    }
  }

  Lab.Pod client() {
    return client;
  }

  Lab.Pod server() {
    return server;
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
          case MESH -> server.ipv4().getHostAddress();
        };
    return LoadProgram.run(load, from, address, time);
  }

  @Override
  public void close() throws IOException {
    lab.close();
  }
}
