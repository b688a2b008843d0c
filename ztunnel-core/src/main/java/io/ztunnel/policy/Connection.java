package io.ztunnel.policy;

import io.ztunnel.hbone.SpiffeId;
import java.net.InetSocketAddress;
import org.jspecify.annotations.Nullable;

/**
 * What policies see of a connection. Addresses are resolved. Immutable.
 *
 * @param source where the TCP connection comes from
 * @param destination the local workload's address and the port that the application is reached at
 * @param identity the peer's, from its certificate; null: plaintext
 * @param destinationNetwork distinguishes tracked connections; policies do not look at it (Istio)
 */
public record Connection(
    InetSocketAddress source,
    InetSocketAddress destination,
    @Nullable SpiffeId identity,
    String destinationNetwork) {}
