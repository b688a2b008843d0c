package io.ztunnel.hbone;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What makes two tunnels share a connection: nothing may differ. The peer is named by its
 * workload's uid as well as its address, so that an address used again by another pod never meets
 * an old connection. Immutable.
 *
 * @param sourceIdentity the local workload's identity, whose certificate is shown
 * @param acceptedIdentities the identities accepted from the peer; one must be among its SANs; an
 *     empty list accepts nobody
 * @param address where the connection goes
 * @param sourceAddress the address of the local workload, when tunnels of several share a pool
 * @param workloadUid the destination workload's uid
 */
public record PeerKey(
    String sourceIdentity,
    List<String> acceptedIdentities,
    InetSocketAddress address,
    @Nullable InetAddress sourceAddress,
    String workloadUid) {
  public PeerKey {
    acceptedIdentities = List.copyOf(acceptedIdentities);
  }
}
