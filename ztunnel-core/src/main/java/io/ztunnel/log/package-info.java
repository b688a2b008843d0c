@NullMarked
package io.ztunnel.log;

import org.jspecify.annotations.NullMarked;
