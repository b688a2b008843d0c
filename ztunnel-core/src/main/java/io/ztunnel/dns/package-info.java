/**
 * DNS of the pods: answers for services of the mesh, everything else is asked of the system's name
 * servers. Starts at {@link io.ztunnel.dns.DnsServer}; the decision is {@link
 * io.ztunnel.dns.DnsAnswers}.
 */
@NullMarked
package io.ztunnel.dns;

import org.jspecify.annotations.NullMarked;
