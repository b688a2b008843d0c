package io.ztunnel.routing;

import io.ztunnel.mesh.IpText;
import io.ztunnel.mesh.Workload;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.List;

/**
 * What is dialled. Immutable.
 *
 * @param workload reported as the destination of the connection
 * @param address resolved
 * @param acceptedIdentities the identities one of which the peer must have; empty for plain TCP
 */
public record Hop(
    Workload workload,
    InetSocketAddress address,
    List<String> acceptedIdentities,
    int otherEndpoints,
    List<String> keys)
    implements Candidate {
  public Hop {
    keys = List.copyOf(keys);
    acceptedIdentities = List.copyOf(acceptedIdentities);
  }

  /** Of one of several addresses of a workload, where it must not be taken for the workload. */
  public static String key(Workload workload, InetAddress ip) {
    return workload.uid() + '#' + IpText.of(ip);
  }
}
