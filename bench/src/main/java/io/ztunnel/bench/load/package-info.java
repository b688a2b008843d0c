/** Loads over two daemons, over three to another network, and over direct TCP, in rounds. */
@NullMarked
package io.ztunnel.bench.load;

import org.jspecify.annotations.NullMarked;
