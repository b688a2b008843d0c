package io.ztunnel.hbone;

import java.security.cert.X509Certificate;
import org.jspecify.annotations.Nullable;

/**
 * Whom a connection within a tunnel to a gateway has reached. Immutable.
 *
 * @param certificate the leaf of its daemon for it: workloads of one identity on one node share it
 * @param workloadUid which of them; null if the peer has not said so, as long as it has answered no
 *     request
 */
public record InnerBackend(X509Certificate certificate, @Nullable String workloadUid) {}
