/** How a daemon stands a large mesh: its start, its memory, and new connections meanwhile. */
@NullMarked
package io.ztunnel.bench.scale;

import org.jspecify.annotations.NullMarked;
