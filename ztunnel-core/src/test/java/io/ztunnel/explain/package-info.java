@NullMarked
package io.ztunnel.explain;

import org.jspecify.annotations.NullMarked;
