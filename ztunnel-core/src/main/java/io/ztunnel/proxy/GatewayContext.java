package io.ztunnel.proxy;

import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.metrics.GatewayMetrics;
import io.ztunnel.routing.EndpointLoads;
import io.ztunnel.routing.GatewayRouter;

/**
 * What the proxy of a gateway needs besides what all proxies share. Each part says by itself which
 * threads may use it.
 *
 * @param identity the gateway's own, which it shows to clients
 * @param loads the tunnels that it has open
 * @param limits what one client may have of it
 */
public record GatewayContext(
    SpiffeId identity,
    GatewayRouter router,
    EndpointLoads loads,
    SourceLimits limits,
    GatewayMetrics metrics) {}
