package io.ztunnel.routing;

import io.ztunnel.mesh.Workload;
import java.net.InetAddress;
import java.net.InetSocketAddress;

/**
 * A connection that a local application opens. Immutable.
 *
 * @param source the local workload
 * @param sourceAddress where the connection comes from
 * @param target where the application wants to go, resolved
 */
public record OutboundCall(Workload source, InetAddress sourceAddress, InetSocketAddress target) {}
