package io.ztunnel.hbone;

import org.jspecify.annotations.Nullable;

/**
 * What one CONNECT says (Istio ambient: {@code :authority} and five optional headers). Values are
 * as on the wire; {@link Baggage}, {@link Forwarded}, {@link TraceParent} and {@link Authority}
 * read and write them. Immutable.
 *
 * @param authority the {@code :authority}, numeric {@code ip:port} or {@code host:port}
 * @param baggage all {@code baggage} lines joined with commas; empty is sent as an empty value;
 *     null: none
 * @param forwarded the first {@code forwarded} value
 * @param traceparent the first {@code traceparent} value
 * @param forwardedNetwork the first {@code x-forwarded-network} value
 * @param istioSource the first {@code x-istio-source} value: what kind of proxy asks, if it is not
 *     that of a node
 */
public record ConnectRequest(
    String authority,
    @Nullable String baggage,
    @Nullable String forwarded,
    @Nullable String traceparent,
    @Nullable String forwardedNetwork,
    @Nullable String istioSource) {
  /** The request of a node's proxy. */
  public ConnectRequest(
      String authority,
      @Nullable String baggage,
      @Nullable String forwarded,
      @Nullable String traceparent,
      @Nullable String forwardedNetwork) {
    this(authority, baggage, forwarded, traceparent, forwardedNetwork, null);
  }

  /** The same, as it is said in a tunnel to another network by somebody of this one. */
  public ConnectRequest fromNetwork(String network) {
    return new ConnectRequest(authority, baggage, forwarded, traceparent, network, istioSource);
  }
}
