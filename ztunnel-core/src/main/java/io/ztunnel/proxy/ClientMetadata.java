package io.ztunnel.proxy;

import io.ztunnel.hbone.Baggage;
import io.ztunnel.metrics.TrafficLabels;
import org.jspecify.annotations.Nullable;

/**
 * What a client says of itself in its baggage; empty strings where it says nothing. Believed for
 * reports only, never for decisions. Immutable.
 */
record ClientMetadata(Baggage baggage) {
  /** Nothing was said, or it is not listened to. */
  static final ClientMetadata NONE = new ClientMetadata(Baggage.EMPTY);

  static ClientMetadata of(@Nullable String header) {
    return header == null ? NONE : new ClientMetadata(Baggage.parse(header).orElse(Baggage.EMPTY));
  }

  TrafficLabels.Peer peer(String principal) {
    return new TrafficLabels.Peer(
        baggage.workloadName(),
        baggage.serviceName(),
        baggage.serviceVersion(),
        baggage.namespace(),
        principal,
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
