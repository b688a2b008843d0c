package io.ztunnel.bench.micro;

import io.netty.util.concurrent.ImmediateEventExecutor;
import io.ztunnel.mesh.Addressable;
import io.ztunnel.mesh.MeshState;
import io.ztunnel.mesh.ResourceDecoder;
import io.ztunnel.mesh.ResourceException;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;

/**
 * How much heap does a mesh take, and how long does it take to decode and apply one? In slices, as
 * the daemon does it, on this thread, in a JVM that starts cold and has the daemon's options.
 */
public final class MeshHeap {
  private static final int SLICE = 500;
  private static final int CHANGES = 20_000;
  private static final double MEBIBYTE = 1 << 20;
  private static final double MILLISECOND = 1e6;

  private MeshHeap() {}

  /**
   * Prints a line for each size.
   *
   * @param arguments numbers of workloads; none: 50000 and 200000
   */
  public static void main(String... arguments) throws ResourceException {
    PrintStream out = System.out;
    out.println(
        "| workloads | services | MiB | bytes/workload | decode and apply | longest slice of "
            + SLICE
            + " | one change |");
    out.println("|---:|---:|---:|---:|---:|---:|---:|");
    for (String workloads : arguments.length == 0 ? new String[] {"50000", "200000"} : arguments) {
      out.println(measure(new MeshShape(Integer.parseInt(workloads))));
    }
  }

  private static String measure(MeshShape shape) throws ResourceException {
    long before = usedBytes();
    MeshState state = new MeshState(ImmediateEventExecutor.INSTANCE, "node");
    ResourceDecoder decoder = new ResourceDecoder();
    long total = 0;
    long longest = 0;
    for (int first = 0; first < shape.workloads(); first += SLICE) {
      List<byte[]> slice = slice(shape, first);
      long start = System.nanoTime();
      apply(state, decoder, slice);
      long nanos = System.nanoTime() - start;
      total += nanos;
      longest = Math.max(longest, nanos);
    }
    decoder.endResponse();
    long used = usedBytes() - before;
    long changes = changes(shape, state, decoder);
    if (state.view().workloadCount() != shape.workloads()) {
      throw new IllegalStateException("workloads: " + state.view().workloadCount());
    }
    return "| %d | %d | %.1f | %d | %.0f ms | %.1f ms | %.1f us |"
        .formatted(
            shape.workloads(),
            shape.services(),
            used / MEBIBYTE,
            used / shape.workloads(),
            total / MILLISECOND,
            longest / MILLISECOND,
            changes / 1e3 / CHANGES);
  }

  /** Workloads, and the services that begin with them. */
  private static List<byte[]> slice(MeshShape shape, int first) {
    List<byte[]> slice = new ArrayList<>();
    int end = Math.min(first + SLICE, shape.workloads());
    for (int i = first; i < end; i++) {
      slice.add(shape.workload(i));
    }
    int perService = shape.workloads() / shape.services();
    for (int i = first / perService; i < end / perService; i++) {
      slice.add(shape.service(i));
    }
    return slice;
  }

  private static void apply(MeshState state, ResourceDecoder decoder, List<byte[]> slice)
      throws ResourceException {
    List<Addressable> decoded = new ArrayList<>(slice.size());
    for (byte[] resource : slice) {
      decoded.add(decoder.address(resource));
    }
    state.update(update -> decoded.forEach(update::insert));
  }

  /** Sends workloads once more, each in an update of its own. */
  private static long changes(MeshShape shape, MeshState state, ResourceDecoder decoder)
      throws ResourceException {
    long total = 0;
    for (int i = 0; i < CHANGES; i++) {
      byte[] workload =
          shape.workload((int) (Integer.toUnsignedLong(i * 0x9e3779b1) % shape.workloads()));
      long start = System.nanoTime();
      apply(state, decoder, List.of(workload));
      decoder.endResponse();
      total += System.nanoTime() - start;
    }
    return total;
  }

  private static long usedBytes() {
    for (int i = 0; i < 3; i++) { // weak references go in a second round
      System.gc();
    }
    return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
  }
}
