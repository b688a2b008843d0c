@NullMarked
package io.ztunnel.bench.load;

import org.jspecify.annotations.NullMarked;
