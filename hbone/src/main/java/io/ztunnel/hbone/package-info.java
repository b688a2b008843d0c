/**
 * HBONE: tunnels that are HTTP/2 CONNECT streams over mutual TLS, also tunnels within tunnels.
 * Starts at {@link io.ztunnel.hbone.HbonePool} and {@link io.ztunnel.hbone.HboneServer}. Knows
 * peers by the identities in their certificates, and no workloads.
 */
@NullMarked
package io.ztunnel.hbone;

import org.jspecify.annotations.NullMarked;
