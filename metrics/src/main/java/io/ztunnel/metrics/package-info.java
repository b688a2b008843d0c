/** The metric families of the proxy and their OpenMetrics text. Knows plain strings only. */
@NullMarked
package io.ztunnel.metrics;

import org.jspecify.annotations.NullMarked;
