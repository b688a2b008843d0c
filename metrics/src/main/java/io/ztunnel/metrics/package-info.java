@NullMarked
package io.ztunnel.metrics;

import org.jspecify.annotations.NullMarked;
