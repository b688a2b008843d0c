package io.ztunnel.proxy;

import io.ztunnel.mesh.ServiceName;
import io.ztunnel.mesh.Workload;
import io.ztunnel.routing.GatewayRoute;
import java.net.InetSocketAddress;
import org.jspecify.annotations.Nullable;

/**
 * Where a gateway passes a connection on to. Immutable.
 *
 * @param key what its failures and its load are noted by: the uid of the workload, or an address
 *     that the mesh does not know
 * @param workload null: the mesh does not know it
 * @param service what was asked for
 * @param others how many others could be tried if this one failed
 */
record GatewayTarget(
    String key,
    InetSocketAddress address,
    @Nullable Workload workload,
    ServiceName service,
    int others) {
  static GatewayTarget of(GatewayRoute route) {
    Workload endpoint = route.endpoint();
    return new GatewayTarget(
        endpoint.uid(), route.address(), endpoint, route.service().name(), route.otherEndpoints());
  }
}
