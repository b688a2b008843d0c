package io.ztunnel.routing;

import io.ztunnel.mesh.Workload;
import java.net.InetSocketAddress;
import java.util.List;

/**
 * What is dialled. Immutable.
 *
 * @param workload who is there: the destination, or its waypoint or gateway; reported as the
 *     destination of the connection
 * @param address resolved
 * @param acceptedIdentities the identities one of which the peer must have; empty for plain TCP
 * @param otherEndpoints how many others could have been chosen in its place. When dialling it
 *     fails, another may be tried only if there are any: an application that names a pod by its
 *     address means that pod
 */
public record Hop(
    Workload workload,
    InetSocketAddress address,
    List<String> acceptedIdentities,
    int otherEndpoints) {
  public Hop {
    acceptedIdentities = List.copyOf(acceptedIdentities);
  }
}
