package io.ztunnel.bench.load;

import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.NetworkNamespace;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * One byte at a time: how long it takes to come back, on a new connection and on one that is there,
 * and which server of a service it comes back from. For one thread.
 */
final class EchoBench {
  private static final int WARM_UP = 3000;
  private static final int NEW_CONNECTIONS = 1000;
  private static final int BYTES = 5000;
  private static final int SPREAD_CONNECTIONS = 600;

  private final Options options;
  private final PrintStream progress;
  private final BenchMesh mesh;
  private final Results results;

  EchoBench(Options options, PrintStream progress, BenchMesh mesh, Results results) {
    this.options = options;
    this.progress = progress;
    this.mesh = mesh;
    this.results = results;
  }

  /** Adds the figures of the groups {@code echo} and {@code spread}, if they are asked for. */
  void measure() throws IOException {
    boolean times = options.groups().contains("echo");
    boolean spread = options.groups().contains("spread");
    if (!times && !spread) {
      return;
    }
    List<EchoServer> servers = new ArrayList<>();
    try (BenchMesh.Daemons _ = mesh.startDaemons();
        NetworkNamespace clientPod = mesh.client().open()) {
      for (Lab.Pod pod : mesh.serverPods()) {
        servers.add(BenchLab.startEcho(pod));
      }
      if (times) {
        measureTimes(clientPod);
      }
      if (spread) {
        measureSpread(clientPod, servers);
      }
    } finally {
      for (EchoServer server : servers) {
        server.close();
      }
    }
  }

  private void measureTimes(NetworkNamespace clientPod) throws IOException {
    progress.printf("warm-up: %d connections with one byte%n", WARM_UP);
    double _ = newConnections(clientPod, WARM_UP);
    List<Double> ofNew = new ArrayList<>();
    List<Double> ofExisting = new ArrayList<>();
    for (int round = 1; round <= options.rounds(); round++) {
      ofNew.add(newConnections(clientPod, NEW_CONNECTIONS) / 1e6);
      ofExisting.add(oneConnection(clientPod, BYTES) / 1e3);
      progress.printf(
          "round %d: a byte on a new connection %s ms, on an existing one %s us%n",
          round,
          MarkdownReport.number(ofNew.getLast()),
          MarkdownReport.number(ofExisting.getLast()));
    }
    results.add(
        new Figure("byte on a new connection", "ms", Spread.of(ofNew), new Target.AtMost(0.8)));
    results.add(
        new Figure(
            "byte on an existing connection", "us", Spread.of(ofExisting), new Target.AtMost(265)));
  }

  /** The median in nanoseconds from before the connect to the byte's return. */
  private double newConnections(NetworkNamespace clientPod, int count) throws IOException {
    long[] nanos = new long[count];
    for (int i = 0; i < count; i++) {
      try (SocketChannel channel = clientPod.call(SocketChannel::open)) {
        long begin = System.nanoTime();
        Echo.connect(channel.socket(), mesh.echoOfOne());
        Echo.exchange(channel.socket(), 1);
        nanos[i] = System.nanoTime() - begin;
      }
    }
    return median(nanos);
  }

  private double oneConnection(NetworkNamespace clientPod, int bytes) throws IOException {
    long[] nanos = new long[bytes];
    try (SocketChannel channel = clientPod.call(SocketChannel::open)) {
      Echo.connect(channel.socket(), mesh.echoOfOne());
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
          Echo.connect(channel.socket(), mesh.echoOfAll());
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
