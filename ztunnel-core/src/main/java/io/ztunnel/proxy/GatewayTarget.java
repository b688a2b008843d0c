package io.ztunnel.proxy;

import io.ztunnel.mesh.ServiceName;
import io.ztunnel.mesh.Workload;
import io.ztunnel.routing.EndpointLoads;
import io.ztunnel.routing.GatewayRoute;
import java.net.InetSocketAddress;
import org.jspecify.annotations.Nullable;

/**
 * Where a gateway passes a connection on to. Immutable.
 *
 * @param key what its failures are noted by: the uid of the workload, or an address that the mesh
 *     does not know
 * @param workload null: the mesh does not know it
 * @param load what its connections are counted by
 * @param service what was asked for
 * @param others how many others could be tried if this one failed
 */
record GatewayTarget(
    String key,
    InetSocketAddress address,
    @Nullable Workload workload,
    EndpointLoads.Key load,
    ServiceName service,
    int others) {
  static GatewayTarget of(GatewayRoute route) {
    Workload endpoint = route.endpoint();
    return new GatewayTarget(
        endpoint.uid(),
        route.address(),
        endpoint,
        route.load(),
        route.service().name(),
        route.otherEndpoints());
  }
}
