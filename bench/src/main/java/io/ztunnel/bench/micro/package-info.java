/** Small measurements in one process: JMH benches, and what a large mesh takes. */
@NullMarked
package io.ztunnel.bench.micro;

import org.jspecify.annotations.NullMarked;
