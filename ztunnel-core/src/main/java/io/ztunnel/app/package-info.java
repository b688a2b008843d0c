/** The composition root: configuration, and the order of start and stop. */
@NullMarked
package io.ztunnel.app;

import org.jspecify.annotations.NullMarked;
