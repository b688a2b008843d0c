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
 * @param otherEndpoints how many others could be tried in its place, should dialling it fail: those
 *     of the service, without the ones that have failed for this connection already. None when the
 *     application named a pod by its address: it means that pod
 * @param keys by what it is avoided for a while should dialling it fail
 */
public record Hop(
    Workload workload,
    InetSocketAddress address,
    List<String> acceptedIdentities,
    int otherEndpoints,
    List<String> keys) {
  public Hop {
    keys = List.copyOf(keys);
    acceptedIdentities = List.copyOf(acceptedIdentities);
  }
}
