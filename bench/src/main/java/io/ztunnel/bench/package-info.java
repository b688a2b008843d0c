/** The entry to demos and measurements. */
@NullMarked
package io.ztunnel.bench;

import org.jspecify.annotations.NullMarked;
