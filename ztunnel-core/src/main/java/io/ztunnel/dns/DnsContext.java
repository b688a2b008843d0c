package io.ztunnel.dns;

import io.ztunnel.mesh.MeshState;
import io.ztunnel.metrics.DnsMetrics;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * What the DNS servers of all pods share. Each part is thread-safe.
 *
 * @param address where each listens in its pod
 * @param setup made anew for each server, since it reads a file
 * @param demand null if all that there is in the mesh, is known
 * @param memory what all that is remembered may take
 * @param random what ids are drawn from, so that nobody can guess them
 */
public record DnsContext(
    Address address,
    Setup setup,
    MeshState mesh,
    @Nullable ServiceDemand demand,
    DnsMetrics metrics,
    AnswerMemory memory,
    RandomGenerator random,
    LongSupplier nanoClock) {
  /** Where a server listens, by UDP and TCP. */
  public sealed interface Address {
    /** Loopback, in the families that the pod has. */
    record Loopback(int port) implements Address {}

    /** One address. */
    record Exact(InetSocketAddress address) implements Address {}
  }

  /** What a server starts with. */
  public record Start(LookupSettings lookup, ResolverSettings resolver) {}

  /** Reads the settings of a server that is about to start. */
  @FunctionalInterface
  public interface Setup {
    Start read() throws IOException;
  }
}
