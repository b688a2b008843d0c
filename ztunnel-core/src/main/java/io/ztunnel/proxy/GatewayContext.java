package io.ztunnel.proxy;

import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.metrics.GatewayMetrics;
import io.ztunnel.routing.EndpointLoads;
import io.ztunnel.routing.GatewayRouter;
import io.ztunnel.routing.TlsPassthrough;
import java.util.List;

/**
 * What the proxy of a gateway needs besides what all proxies share. Each part says by itself which
 * threads may use it.
 *
 * @param identity the gateway's own, which it shows to clients
 * @param loads the tunnels that it has open, or those of them that one connection of a client has
 * @param limits what one client may have of it
 * @param retries those to each service
 * @param asksPolicies whether those of the gateway's own pod are asked about each tunnel
 * @param servers those behind it that clients reach by TLS that it does not end
 */
public record GatewayContext(
    SpiffeId identity,
    GatewayRouter router,
    EndpointLoads loads,
    SourceLimits limits,
    ServiceRetries retries,
    GatewayMetrics metrics,
    boolean asksPolicies,
    List<TlsPassthrough> servers) {
  public GatewayContext {
    servers = List.copyOf(servers);
  }

  /** For a connection of a client, whose tunnels are counted by themselves, too. */
  GatewayContext ofConnection() {
    return new GatewayContext(
        identity, router, loads.ofConnection(), limits, retries, metrics, asksPolicies, servers);
  }
}
