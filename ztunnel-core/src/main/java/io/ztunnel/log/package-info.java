/**
 * The log of the daemon: one line per event on standard output, plain or JSON, in the formats,
 * target names and level filters of Istio's ztunnel. Also the SLF4J provider, so that libraries log
 * the same way.
 */
@NullMarked
package io.ztunnel.log;

import org.jspecify.annotations.NullMarked;
