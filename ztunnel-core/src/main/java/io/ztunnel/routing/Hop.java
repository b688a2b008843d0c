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
 * @param application what is asked for there: a port or, of a waypoint, an address and port; empty
 *     of a gateway, which is not avoided for what is behind it
 */
public record Hop(
    Workload workload,
    InetSocketAddress address,
    List<String> acceptedIdentities,
    int otherEndpoints,
    List<String> keys,
    String application)
    implements Candidate {
  public Hop {
    keys = List.copyOf(keys);
    acceptedIdentities = List.copyOf(acceptedIdentities);
  }

  /** Of one of several addresses of a workload, where it must not be taken for the workload. */
  public static String key(Workload workload, InetAddress ip) {
    return workload.uid() + '#' + IpText.of(ip);
  }

  /** Of what is asked for at whom this key means, where it must not be taken for all of it. */
  public static String key(String key, String application) {
    return key + ':' + application;
  }

  /** By what it is avoided for a while, should only what was asked for there fail. */
  public List<String> applicationKeys() {
    return application.isEmpty()
        ? List.of()
        : keys.stream().map(key -> key(key, application)).toList();
  }
}
