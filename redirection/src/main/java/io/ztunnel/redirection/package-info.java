/**
 * How the traffic of pods reaches the proxy: what the CNI agent says ({@link
 * io.ztunnel.redirection.ZdsClient}), sockets in the pods' network namespaces ({@link
 * io.ztunnel.redirection.SocketFactory}), and where a captured connection was going.
 */
@NullMarked
package io.ztunnel.redirection;

import org.jspecify.annotations.NullMarked;
