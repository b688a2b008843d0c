@NullMarked
package io.ztunnel.app;

import org.jspecify.annotations.NullMarked;
