package io.ztunnel.routing;

import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.Workload;
import java.net.InetSocketAddress;

/**
 * Where a gateway passes a tunnel on to. Immutable.
 *
 * @param service what was asked for
 * @param endpoint an endpoint of it, or of its waypoint
 * @param load what its tunnels are counted by
 * @param address where the endpoint takes tunnels
 * @param otherEndpoints how many others could be tried if this one failed
 */
public record GatewayRoute(
    Service service,
    Workload endpoint,
    EndpointLoads.Key load,
    InetSocketAddress address,
    int otherEndpoints)
    implements GatewayResult {}
