package io.ztunnel.app;

import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.metrics.GatewayMetrics;
import io.ztunnel.metrics.MeshRegistry;
import io.ztunnel.proxy.GatewayContext;
import io.ztunnel.proxy.ServiceRetries;
import io.ztunnel.proxy.SourceLimits;
import io.ztunnel.routing.EndpointLoads;
import io.ztunnel.routing.GatewayRouter;
import java.util.IntSummaryStatistics;
import java.util.concurrent.ThreadLocalRandom;

/** Puts a gateway's parts together. Stateless. */
final class GatewayParts {
  private GatewayParts() {}

  static GatewayContext create(Config config, Config.Mode.Gateway mode, MeshRegistry registry)
      throws StartException {
    String identity = mode.self().identity();
    EndpointLoads loads = new EndpointLoads();
    SourceLimits limits = new SourceLimits(mode.maxConnections(), mode.maxTunnels());
    return new GatewayContext(
        SpiffeId.parse(identity)
            .orElseThrow(
                () ->
                    new StartException(
                        "TRUST_DOMAIN, POD_NAMESPACE, SERVICE_ACCOUNT: no identity: " + identity)),
        new GatewayRouter(
            DataPathSettings.gateway(config, mode), loads, ThreadLocalRandom::current),
        loads,
        limits,
        new ServiceRetries(System::nanoTime),
        new GatewayMetrics(registry, new Open(loads, limits)),
        mode.asksPolicies(),
        mode.passthrough());
  }

  /** What the metrics of a gateway read. */
  private record Open(EndpointLoads loads, SourceLimits limits) implements GatewayMetrics.Open {
    @Override
    public int tunnels() {
      return Math.toIntExact(loads.summary().getSum());
    }

    @Override
    public int endpoints() {
      return Math.toIntExact(loads.summary().getCount());
    }

    @Override
    public int mostTunnels() {
      return Math.max(0, loads.summary().getMax()); // of none it is the least number there is
    }

    @Override
    public int fewestTunnels() {
      IntSummaryStatistics tunnels = loads.summary();
      return tunnels.getCount() == 0 ? 0 : tunnels.getMin();
    }

    @Override
    public int sources() {
      return limits.sources();
    }
  }
}
