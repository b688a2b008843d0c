/**
 * Bad input and faults, against running daemons: each gets the right error, and everything else
 * goes on.
 */
@NullMarked
package io.ztunnel.bench.faults;

import org.jspecify.annotations.NullMarked;
