package io.ztunnel.mesh;

import org.jspecify.annotations.Nullable;

/**
 * How traffic gets to a workload, besides its addresses. Immutable.
 *
 * @param hostname a name to resolve when it has no address; empty: none
 * @param nativeTunnel whether the workload ends tunnels itself
 * @param waypoint the waypoint that its traffic passes when sent to its own address
 * @param networkGateway the way into its network from another
 */
record Reach(
    String hostname,
    Protocol protocol,
    NetworkMode networkMode,
    boolean nativeTunnel,
    @Nullable ApplicationTunnel applicationTunnel,
    @Nullable GatewayAddress waypoint,
    @Nullable GatewayAddress networkGateway) {}
