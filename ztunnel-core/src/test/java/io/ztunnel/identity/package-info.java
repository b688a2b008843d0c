@NullMarked
package io.ztunnel.identity;

import org.jspecify.annotations.NullMarked;
