/** What hours of use leave behind in the daemons. */
@NullMarked
package io.ztunnel.bench.soak;

import org.jspecify.annotations.NullMarked;
