package io.ztunnel.mesh;

import java.net.InetAddress;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How traffic gets to a workload. Immutable.
 *
 * @param ips its addresses; none: by hostname or through the gateway only
 * @param hostname a name to resolve when there is no address; empty: none
 * @param nativeTunnel whether the workload ends tunnels itself
 * @param waypoint the waypoint that its traffic passes when sent to its own address
 * @param networkGateway the way into its network from another
 */
public record Reach(
    List<InetAddress> ips,
    String hostname,
    Protocol protocol,
    NetworkMode networkMode,
    boolean nativeTunnel,
    @Nullable ApplicationTunnel applicationTunnel,
    @Nullable GatewayAddress waypoint,
    @Nullable GatewayAddress networkGateway) {
  public Reach {
    ips = List.copyOf(ips);
  }
}
