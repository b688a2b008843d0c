package io.ztunnel.proxy;

import io.ztunnel.hbone.Baggage;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.metrics.TrafficLabels;
import org.jspecify.annotations.Nullable;

/**
 * What a peer of which the mesh has no record says of itself in its baggage; empty strings where it
 * says nothing. Believed for reports only, never for decisions. Immutable.
 */
record PeerMetadata(Baggage baggage) {
  /** Nothing was said, or it is not listened to. */
  static final PeerMetadata NONE = new PeerMetadata(Baggage.EMPTY);

  static PeerMetadata of(@Nullable String header) {
    return header == null ? NONE : new PeerMetadata(Baggage.parse(header).orElse(Baggage.EMPTY));
  }

  /** The name of the workload, not of one of its pods; empty if it is not told. */
  String workloadName() {
    return baggage.workloadName();
  }

  /**
   * The labels of the peer.
   *
   * @param identity what its certificate says, which goes before what it says itself
   */
  TrafficLabels.Peer peer(@Nullable SpiffeId identity) {
    return new TrafficLabels.Peer(
        baggage.workloadName(),
        baggage.serviceName(),
        baggage.serviceVersion(),
        identity == null ? baggage.namespace() : identity.namespace(),
        identity == null ? "" : identity.toString(),
        baggage.workloadName(),
        baggage.serviceVersion(),
        baggage.cluster());
  }

  String region() {
    return baggage.region();
  }

  String zone() {
    return baggage.zone();
  }
}
