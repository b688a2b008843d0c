package io.ztunnel.bench.micro;

import io.netty.util.concurrent.ImmediateEventExecutor;
import io.ztunnel.mesh.LocalConfig;
import io.ztunnel.mesh.LocalConfigException;
import io.ztunnel.mesh.MeshState;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.Workload;
import io.ztunnel.routing.OutboundCall;
import io.ztunnel.routing.OutboundRouter;
import io.ztunnel.routing.OutboundSettings;
import io.ztunnel.routing.ReservedPorts;
import io.ztunnel.routing.Route;
import io.ztunnel.routing.RouteResult;
import io.ztunnel.routing.RouteTrace;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * How long does it take to decide where a connection goes, by the number of a service's endpoints?
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class RouteBenchmark {
  private static final int HBONE_PORT = 15008;
  private static final InetAddress CLIENT = InetAddress.ofLiteral("10.1.0.1");

  @Param({"1", "100", "5000"})
  int endpoints;

  private final OutboundRouter router =
      new OutboundRouter(
          new OutboundSettings("", HBONE_PORT, new ReservedPorts(Set.of(HBONE_PORT))),
          ThreadLocalRandom::current);
  private final Workload source = Workload.builder("c//Pod/shop/web").build();
  private final OutboundCall toService =
      new OutboundCall(
          source, CLIENT, new InetSocketAddress(InetAddress.ofLiteral("10.96.0.20"), 80));
  private final OutboundCall toPod =
      new OutboundCall(
          source, CLIENT, new InetSocketAddress(InetAddress.ofLiteral("10.2.0.0"), 8080));
  private final OutboundCall elsewhere =
      new OutboundCall(
          source, CLIENT, new InetSocketAddress(InetAddress.ofLiteral("192.0.2.1"), 443));
  private MeshView view = new MeshState(ImmediateEventExecutor.INSTANCE, null).view();

  /** A service with that many workloads behind it. */
  @Setup(Level.Trial)
  public void fill() throws LocalConfigException {
    StringBuilder yaml = new StringBuilder();
    yaml.append(
        """
        services:
        - {name: cart, namespace: shop, hostname: cart.shop, vips: ["/10.96.0.20"], ports: {80: 8080}}
        workloads:
        """);
    for (int i = 0; i < endpoints; i++) {
      yaml.append(
          """
          - {uid: c//Pod/shop/cart-%1$d, name: cart-%1$d, namespace: shop, serviceAccount: cart,
             trustDomain: cluster.local, protocol: HBONE, workloadIps: [10.2.%2$d.%3$d],
             services: {shop/cart.shop: {80: 8080}}}
          """
              .formatted(i, i / 256, i % 256));
    }
    MeshState state = new MeshState(ImmediateEventExecutor.INSTANCE, null);
    LocalConfig.parse(yaml.toString()).replace(state);
    view = state.view();
    if (!(service() instanceof Route.Hbone)
        || !(pod() instanceof Route.Hbone)
        || !(passthrough() instanceof Route.Passthrough)) {
      throw new IllegalStateException("%s, %s".formatted(service(), pod()));
    }
  }

  @Benchmark
  public RouteResult service() {
    return router.route(toService, view, _ -> false, RouteTrace.OFF);
  }

  @Benchmark
  public RouteResult pod() {
    return router.route(toPod, view, _ -> false, RouteTrace.OFF);
  }

  @Benchmark
  public RouteResult passthrough() {
    return router.route(elsewhere, view, _ -> false, RouteTrace.OFF);
  }
}
