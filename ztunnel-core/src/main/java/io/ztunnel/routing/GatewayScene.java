package io.ztunnel.routing;

import io.ztunnel.mesh.MeshView;
import java.util.function.Predicate;
import java.util.random.RandomGenerator;

/**
 * What one decision of a gateway is made from. Confined to the thread that decides.
 *
 * @param network the gateway's own; endpoints elsewhere are not for it
 * @param setAside whether the workload of a uid failed lately and should be avoided
 * @param loads the tunnels that the gateway has open
 * @param own those of them that the client's connection has
 * @param trace is told the steps
 */
record GatewayScene(
    MeshView view,
    String network,
    GatewayCall call,
    Predicate<String> setAside,
    EndpointLoads loads,
    EndpointLoads own,
    RandomGenerator random,
    RouteTrace trace) {}
