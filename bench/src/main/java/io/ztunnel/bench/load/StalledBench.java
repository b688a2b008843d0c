package io.ztunnel.bench.load;

import io.ztunnel.bench.lab.Pause;
import io.ztunnel.redirection.NetworkNamespace;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.PrintStream;
import java.net.Socket;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * A hundred connections of applications in one inner tunnel of one outer tunnel: how long 99 take
 * for their bytes while one does not read, beside the same with one at rest. For one thread.
 */
final class StalledBench {
  private static final int OTHERS = 99;
  private static final int BYTES = 256 * 1024;

  /** More than all windows and buffers on the way hold. */
  private static final int STALLED_BYTES = 256 << 20;

  private static final int WARM_UPS = 40;
  private static final int TURNS = 20;

  /** Until what is sent to a reader that does not read has come to a halt. */
  private static final Duration HALT = Duration.ofSeconds(1);

  /** So that all connections share what they can. */
  private static final Map<String, String> ONE_OF_EACH =
      Map.of(
          "ZTUNNEL_WORKER_THREADS", "1",
          "ZTUNNEL_INNER_CONNECTIONS", "1",
          "ZTUNNEL_INNER_REFRESH", "1h");

  private final Options options;
  private final PrintStream progress;
  private final BenchMesh mesh;
  private final Results results;

  StalledBench(Options options, PrintStream progress, BenchMesh mesh, Results results) {
    this.options = options;
    this.progress = progress;
    this.mesh = mesh;
    this.results = results;
  }

  /** What the hundredth connection does. */
  private enum Hundredth {
    RESTS,
    STALLS
  }

  /** Adds the figure of the group {@code stalled}, if it is asked for. */
  void measure() throws IOException {
    if (!options.groups().contains("stalled")) {
      return;
    }
    List<Double> ratios = new ArrayList<>();
    try (BenchMesh.Daemons _ = mesh.startDaemons(ONE_OF_EACH);
        NetworkNamespace clientPod = mesh.client().open();
        GivingServer _ = BenchLab.startGiving(mesh.serverPods().getFirst());
        ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      int warmUps = options.thinned(WARM_UPS);
      progress.printf("warm-up: %d connections, %d times%n", OTHERS, warmUps);
      double _ = p99(clientPod, threads, Hundredth.RESTS, warmUps);
      int turns = options.thinned(TURNS);
      for (int round = 1; round <= options.rounds(); round++) {
        double without = p99(clientPod, threads, Hundredth.RESTS, turns);
        double with = p99(clientPod, threads, Hundredth.STALLS, turns);
        ratios.add(with / without);
        progress.printf(
            "round %d: p99 of %d KiB on %d connections: %s ms, beside a stalled one %s ms%n",
            round,
            BYTES / 1024,
            OTHERS,
            MarkdownReport.number(without),
            MarkdownReport.number(with));
      }
    }
    results.add(
        new Figure(
            "p99 of %d streams beside a stalled one".formatted(OTHERS),
            "x without it",
            Spread.of(ratios),
            new Target.AtMost(2)));
  }

  /** The 99th percentile of all connections and turns, in milliseconds. */
  private double p99(
      NetworkNamespace clientPod, ExecutorService threads, Hundredth hundredth, int turns)
      throws IOException {
    List<SocketChannel> open = new ArrayList<>();
    try {
      for (int i = 0; i <= OTHERS; i++) {
        SocketChannel channel = clientPod.call(SocketChannel::open);
        open.add(channel);
        Echo.connect(channel.socket(), mesh.echoOfOne());
        take(channel.socket(), 1);
      }
      SocketChannel last = open.getLast();
      if (hundredth == Hundredth.STALLS) {
        ask(last.socket(), STALLED_BYTES);
      }
      Pause.of(HALT);
      List<Callable<Long>> all =
          open.stream()
              .filter(channel -> !channel.equals(last))
              .map(channel -> (Callable<Long>) () -> timeOf(channel.socket()))
              .toList();
      long[] nanos = new long[turns * OTHERS];
      int at = 0;
      for (int turn = 0; turn < turns; turn++) {
        for (Future<Long> each : threads.invokeAll(all)) {
          nanos[at++] = each.get();
        }
      }
      Arrays.sort(nanos);
      return nanos[nanos.length * 99 / 100] / 1e6;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    } catch (ExecutionException e) {
      throw new IOException(e.getCause());
    } finally {
      for (SocketChannel channel : open) {
        channel.close();
      }
    }
  }

  private static long timeOf(Socket socket) throws IOException {
    long begin = System.nanoTime();
    take(socket, BYTES);
    return System.nanoTime() - begin;
  }

  private static void ask(Socket socket, int bytes) throws IOException {
    new DataOutputStream(socket.getOutputStream()).writeInt(bytes);
  }

  private static void take(Socket socket, int bytes) throws IOException {
    ask(socket, bytes);
    if (socket.getInputStream().readNBytes(bytes).length < bytes) {
      throw new EOFException("closed before all came (expected: " + bytes + " bytes)");
    }
  }
}
