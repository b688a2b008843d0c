@NullMarked
package io.ztunnel.routing;

import org.jspecify.annotations.NullMarked;
