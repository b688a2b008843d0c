package io.ztunnel.bench.load;

import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.NetworkNamespace;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetSocketAddress;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * One byte at a time: how long it takes to come back, on a new connection and on one that is there,
 * beside direct TCP and the daemons beside if there are any, and which server of a service it comes
 * back from. For one thread.
 */
final class EchoBench {
  /**
   * How many connections each pod has before the first round, so that the compilers are done with
   * what a connection runs.
   */
  private static final int WARM_UP_OF_A_POD = 8000;

  private static final int NEW_CONNECTIONS = 1000;
  private static final int BYTES = 5000;
  private static final int SPREAD_CONNECTIONS = 600;

  private final Options options;
  private final PrintStream progress;
  private final BenchLab lab;
  private final Results results;

  EchoBench(Options options, PrintStream progress, BenchLab lab, Results results) {
    this.options = options;
    this.progress = progress;
    this.lab = lab;
    this.results = results;
  }

  /**
   * Where bytes are sent from, and where to.
   *
   * @param warmUp where to before the first round
   * @param warmUpPods how many pods are behind that
   */
  private record Way(
      Arrangement arrangement,
      NetworkNamespace pod,
      InetSocketAddress server,
      InetSocketAddress warmUp,
      int warmUpPods) {
    static Way through(Arrangement arrangement, NetworkNamespace pod, BenchMesh mesh) {
      return new Way(
          arrangement, pod, mesh.echoOfOne(), mesh.echoOfAll(), mesh.serverPods().size());
    }
  }

  /** Adds what the groups {@code echo} and {@code spread} are about, if they are asked for. */
  void measure() throws IOException {
    boolean times = options.groups().contains("echo");
    boolean spread = options.groups().contains("spread");
    if (!times && !spread) {
      return;
    }
    try (BenchMesh.Daemons _ = lab.mesh().startDaemons();
        NetworkNamespace clientPod = lab.mesh().client().open();
        Servers servers = Servers.start(lab.mesh())) {
      if (times) {
        measureTimes(Way.through(Arrangement.MESH, clientPod, lab.mesh()));
      }
      if (spread) {
        measureSpread(clientPod, servers.all());
      }
    }
  }

  /** One in each pod that bytes are sent to. */
  private record Servers(List<EchoServer> all) implements AutoCloseable {
    static Servers start(BenchMesh mesh) throws IOException {
      List<EchoServer> all = new ArrayList<>();
      Servers servers = new Servers(all);
      try {
        for (Lab.Pod pod : mesh.serverPods()) {
          all.add(BenchLab.startEcho(pod));
        }
      } catch (IOException e) {
        servers.close();
        throw e;
      }
      return servers;
    }

    @Override
    public void close() throws IOException {
      for (EchoServer server : all) {
        server.close();
      }
    }
  }

  /** Beside the others, whose daemons and servers run as long as this does. */
  private void measureTimes(Way throughMesh) throws IOException {
    try (NetworkNamespace directPod = lab.directClient().open();
        EchoServer _ = BenchLab.startEcho(lab.directServer())) {
      InetSocketAddress server = lab.echoOfDirect();
      Way direct = new Way(Arrangement.DIRECT, directPod, server, server, 1);
      if (lab.beside().isEmpty()) {
        measureTimes(List.of(direct, throughMesh));
        return;
      }
      BenchMesh other = lab.beside().get();
      try (BenchMesh.Daemons _ = other.startDaemons();
          NetworkNamespace otherPod = other.client().open();
          Servers _ = Servers.start(other)) {
        measureTimes(
            List.of(direct, throughMesh, Way.through(Arrangement.BESIDE, otherPod, other)));
      }
    }
  }

  private void measureTimes(List<Way> ways) throws IOException {
    for (Way way : ways) {
      int warmUp = options.thinned(WARM_UP_OF_A_POD * way.warmUpPods());
      progress.printf("warm-up: %d connections with one byte, %s%n", warmUp, title(way));
      double _ = newConnections(way, way.warmUp(), warmUp);
    }
    for (int round = 1; round <= options.rounds(); round++) {
      for (Way way : ways) {
        EchoTimes times =
            new EchoTimes(
                newConnections(way, way.server(), options.thinned(NEW_CONNECTIONS)) / 1e6,
                oneConnection(way, options.thinned(BYTES)) / 1e3);
        results.add(way.arrangement(), times);
        progress.printf(
            "round %d: %s: a byte on a new connection %s ms, on an existing one %s us%n",
            round,
            title(way),
            MarkdownReport.number(times.newMillis()),
            MarkdownReport.number(times.existingMicros()));
      }
    }
  }

  private String title(Way way) {
    return options.path().title(way.arrangement());
  }

  /** The median in nanoseconds from before the connect to the byte's return. */
  private static double newConnections(Way way, InetSocketAddress server, int count)
      throws IOException {
    long[] nanos = new long[count];
    for (int i = 0; i < count; i++) {
      try (SocketChannel channel = way.pod().call(SocketChannel::open)) {
        long begin = System.nanoTime();
        Echo.connect(channel.socket(), server);
        Echo.exchange(channel.socket(), 1);
        nanos[i] = System.nanoTime() - begin;
      }
    }
    return median(nanos);
  }

  private static double oneConnection(Way way, int bytes) throws IOException {
    long[] nanos = new long[bytes];
    try (SocketChannel channel = way.pod().call(SocketChannel::open)) {
      Echo.connect(channel.socket(), way.server());
      for (int i = 0; i < bytes; i++) {
        long begin = System.nanoTime();
        Echo.exchange(channel.socket(), 1);
        nanos[i] = System.nanoTime() - begin;
      }
    }
    return median(nanos);
  }

  private static double median(long[] values) {
    Arrays.sort(values);
    return values[values.length / 2];
  }

  private void measureSpread(NetworkNamespace clientPod, List<EchoServer> servers)
      throws IOException {
    List<Double> least = new ArrayList<>();
    List<Double> most = new ArrayList<>();
    for (int round = 1; round <= options.rounds(); round++) {
      List<Integer> before = servers.stream().map(EchoServer::accepted).toList();
      for (int i = 0; i < SPREAD_CONNECTIONS; i++) {
        try (SocketChannel channel = clientPod.call(SocketChannel::open)) {
          Echo.connect(channel.socket(), lab.mesh().echoOfAll());
          Echo.exchange(channel.socket(), 1);
        }
      }
      List<Double> shares = new ArrayList<>();
      for (int i = 0; i < servers.size(); i++) {
        shares.add((servers.get(i).accepted() - before.get(i)) * 100.0 / SPREAD_CONNECTIONS);
      }
      progress.printf(
          "round %d: shares of %d connections: %s%n", round, SPREAD_CONNECTIONS, shares);
      least.add(shares.stream().mapToDouble(Double::doubleValue).min().orElseThrow());
      most.add(shares.stream().mapToDouble(Double::doubleValue).max().orElseThrow());
    }
    String what = "%d connections over %d pods: ".formatted(SPREAD_CONNECTIONS, servers.size());
    results.add(new Figure(what + "smallest share", "%", Spread.of(least), new Target.AtLeast(25)));
    results.add(new Figure(what + "largest share", "%", Spread.of(most), new Target.AtMost(42)));
  }
}
