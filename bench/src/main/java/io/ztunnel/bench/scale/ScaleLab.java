package io.ztunnel.bench.scale;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.bench.lab.LiveObjects;
import io.ztunnel.bench.lab.MeshFile;
import io.ztunnel.bench.lab.Pause;
import io.ztunnel.bench.lab.ProcessUsage;
import io.ztunnel.bench.load.EchoServer;
import io.ztunnel.bench.micro.MeshShape;
import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.NetworkNamespace;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * One node with a pair of pods that is captured and a pair that is not; in both, connections are
 * made all the time. For one thread.
 */
final class ScaleLab implements AutoCloseable {
  private static final String NAMESPACE = "bench";
  private static final int ECHO_PORT = 7007;
  private static final int CONNECTIONS_PER_SECOND = 100;
  private static final int CHANGES_PER_SECOND = 2_000;

  private final Lab lab;
  private final Path launcher;
  private final PrintStream progress;
  private final Path emptyMesh;
  private final Lab.Node node;
  private final Pair meshed;
  private final Pair direct;
  private int processes;

  /** Two pods, and what goes on between them. */
  private static final class Pair implements AutoCloseable {
    private final Lab.Pod client;
    private final Lab.Pod server;
    private final NetworkNamespace clientNamespace;
    private final EchoServer echo;

    Pair(Lab.Node node, String suffix, Lab.Without... without) throws IOException {
      client = node.addPod("client" + suffix, without);
      server = node.addPod("server" + suffix, without);
      clientNamespace = client.open();
      try (NetworkNamespace namespace = server.open()) {
        echo =
            new EchoServer(
                namespace
                    .call(ServerSocketChannel::open)
                    .bind(new InetSocketAddress(ECHO_PORT), 1024));
      }
    }

    ConnectionProbe probe() {
      return new ConnectionProbe(
          clientNamespace, new InetSocketAddress(server.ipv4(), ECHO_PORT), CONNECTIONS_PER_SECOND);
    }

    @Override
    public void close() throws IOException {
      echo.close();
      clientNamespace.close();
    }
  }

  ScaleLab(Path launcher, PrintStream progress) throws IOException {
    this.launcher = launcher;
    this.progress = progress;
    this.lab = Lab.create("scale");
    try {
      this.node = lab.addNode();
      this.meshed = new Pair(node, "");
      this.direct = new Pair(node, "0", Lab.Without.REDIRECTION);
      this.emptyMesh = lab.directory().resolve("mesh.yaml");
      new MeshFile().write(emptyMesh);
    } catch (IOException | RuntimeException e) {
      lab.close();
      throw e;
    }
  }

  /** Memory of a daemon that knows its two pods only, so long after its start. */
  long emptyResidentBytes(Duration settle) throws IOException {
    try (ControlPlaneProcess control = startControlPlane(0, 0, 0);
        Daemon daemon = startDaemon(control.listen(0));
        ConnectionProbe _ = meshed.probe();
        ConnectionProbe _ = direct.probe()) {
      Pause.of(settle);
      return ProcessUsage.residentBytes(daemon.pid());
    }
  }

  /** Live objects of a daemon that knows its two pods only. */
  long emptyHeapBytes() throws IOException {
    try (ControlPlaneProcess control = startControlPlane(0, 0, 0);
        Daemon daemon = startDaemon(control.listen(0))) {
      return LiveObjects.of(daemon).bytes();
    }
  }

  /** Measures a daemon from its start to its end. */
  ScaleRound measure(int workloads, ScaleOptions options) throws IOException {
    ControlPlaneProcess control = startControlPlane(workloads, 0, 0);
    try {
      int port = control.listen(0);
      startDaemon(port).close(); // so that the control plane is no JVM that starts, too
      long begin = System.nanoTime();
      try (Daemon daemon = startDaemon(port);
          ConnectionProbe throughDaemon = meshed.probe();
          ConnectionProbe aside = direct.probe()) {
        double readySeconds = (System.nanoTime() - begin) / 1e9;
        Pause.of(options.settle());
        long settled = ProcessUsage.residentBytes(daemon.pid());
        long startPeak = ProcessUsage.peakResidentBytes(daemon.pid());
        Probes probes = new Probes(throughDaemon, aside);
        probes.begin();
        Pause.of(options.quiet());
        probes.end(Phase.QUIET);
        push(control, probes, options);
        int replaced = change(control, probes, options);
        try (ControlPlaneProcess next = startControlPlane(workloads, 1, replaced)) {
          Pause.of(options.aftermath());
          restart(control, next, port, probes, options);
          return new ScaleRound(
              readySeconds,
              settled,
              startPeak,
              ProcessUsage.peakResidentBytes(daemon.pid()),
              LiveObjects.of(daemon).bytes(),
              probes.meshedLatencies,
              probes.directLatencies);
        }
      }
    } finally {
      control.close();
    }
  }

  private void push(ControlPlaneProcess control, Probes probes, ScaleOptions options)
      throws IOException {
    String _ = control.ask("prepare", "prepared");
    Pause.of(options.aftermath());
    probes.begin();
    String nonce = control.ask("push", "pushing ").split(" ", 2)[0];
    String _ = control.await("acknowledged " + nonce);
    progress.printf("the push is acknowledged after %.2f s%n", probes.seconds());
    Pause.of(options.aftermath());
    probes.end(Phase.PUSH);
  }

  /** Returns how many pods have taken another one's place. */
  private int change(ControlPlaneProcess control, Probes probes, ScaleOptions options)
      throws IOException {
    Pause.of(options.aftermath());
    probes.begin();
    String[] changed =
        control
            .ask(
                "change %d %d".formatted(CHANGES_PER_SECOND, options.changing().toSeconds()),
                "changed ")
            .split(" ", 2);
    String _ = control.await("acknowledged " + changed[0]);
    progress.printf("the changes are acknowledged after %.2f s%n", probes.seconds());
    probes.end(Phase.CHANGES);
    return Integer.parseInt(changed[1]);
  }

  /** Puts another control plane in the place of the one that the daemon has. */
  private void restart(
      ControlPlaneProcess control,
      ControlPlaneProcess next,
      int port,
      Probes probes,
      ScaleOptions options)
      throws IOException {
    probes.begin();
    control.close();
    int _ = next.listen(port);
    String subscribed = next.await("subscribed ");
    String _ = next.await("acknowledged ");
    progress.printf(
        "the restart is over after %.2f s (versions echoed, bytes sent: %s)%n",
        probes.seconds(), subscribed);
    Pause.of(options.aftermath());
    probes.end(Phase.RESTART);
  }

  /** Both probes, phase by phase. */
  private final class Probes {
    private final ConnectionProbe throughDaemon;
    private final ConnectionProbe aside;
    private final Map<Phase, Latency> meshedLatencies = new EnumMap<>(Phase.class);
    private final Map<Phase, Latency> directLatencies = new EnumMap<>(Phase.class);
    private long begin;

    Probes(ConnectionProbe throughDaemon, ConnectionProbe aside) {
      this.throughDaemon = throughDaemon;
      this.aside = aside;
    }

    void begin() {
      Latency _ = throughDaemon.take();
      Latency _ = aside.take();
      begin = System.nanoTime();
    }

    double seconds() {
      return (System.nanoTime() - begin) / (double) TimeUnit.SECONDS.toNanos(1);
    }

    void end(Phase phase) {
      Latency through = throughDaemon.take();
      Latency beside = aside.take();
      meshedLatencies.put(phase, through);
      directLatencies.put(phase, beside);
      progress.printf(
          "during %s: p50 %.2f, p99 %.2f, worst %.1f ms of %d connections, %d failed; direct: worst"
              + " %.1f ms%n",
          phase.title(),
          through.p50(),
          through.p99(),
          through.worst(),
          through.connections(),
          through.failures(),
          beside.worst());
    }
  }

  private ControlPlaneProcess startControlPlane(int workloads, int revision, int replaced)
      throws IOException {
    return ControlPlaneProcess.start(
        node,
        lab,
        "control-plane-" + ++processes,
        workloads,
        revision,
        replaced,
        nodePod(meshed.client),
        nodePod(meshed.server));
  }

  private static NodePod nodePod(Lab.Pod pod) {
    return new NodePod(pod.name(), NAMESPACE, Daemon.nodeName(pod.node()), pod.ipv4());
  }

  private Daemon startDaemon(int port) throws IOException {
    Daemon daemon =
        Daemon.start(
            lab,
            node,
            "daemon-" + ++processes,
            launcher,
            emptyMesh,
            Map.of(
                "XDS_ADDRESS",
                "localhost:" + port,
                "XDS_ROOT_CA",
                ControlPlaneProcess.rootFile(lab).toString(),
                "AUTH_TOKEN",
                "a-token",
                "NETWORK",
                MeshShape.NETWORK));
    try {
      daemon.add(meshed.client, NAMESPACE, meshed.client.name());
      daemon.add(meshed.server, NAMESPACE, meshed.server.name());
      daemon.finishSnapshot();
      return daemon;
    } catch (IOException | RuntimeException e) {
      daemon.close();
      throw e;
    }
  }

  @Override
  public void close() throws IOException {
    try (lab;
        direct;
        meshed) {
      // All of them, whatever one says.
    }
  }
}
