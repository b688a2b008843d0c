package io.ztunnel.routing;

import io.ztunnel.hbone.Authority;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.mesh.Workload;
import java.net.InetAddress;
import org.jspecify.annotations.Nullable;

/**
 * A CONNECT that came in. Immutable.
 *
 * @param local the workload that it came to
 * @param localAddress the address that the tunnel's TCP connection was made to
 * @param authority of the CONNECT
 * @param peer the identity of the peer
 */
public record InboundCall(
    Workload local, InetAddress localAddress, Authority authority, @Nullable SpiffeId peer) {}
