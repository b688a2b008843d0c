package io.ztunnel.hbone;

import java.util.List;

/**
 * Somebody who is reached by a tunnel within the tunnel to a gateway. Immutable.
 *
 * @param gateway where the outer tunnel goes
 * @param acceptedIdentities the identities accepted from the inner peer; one must be among its
 *     SANs; an empty list accepts nobody
 * @param authority what the gateway is asked for, {@code host:port}: it decides who the peer is
 */
public record NestedPeer(PeerKey gateway, List<String> acceptedIdentities, String authority) {
  public NestedPeer {
    acceptedIdentities = List.copyOf(acceptedIdentities);
  }

  /** The peer as a connection within the outer tunnel sees it: no workload is known behind it. */
  PeerKey key() {
    return new PeerKey(
        gateway.sourceIdentity(),
        acceptedIdentities,
        gateway.address(),
        gateway.sourceAddress(),
        authority);
  }
}
