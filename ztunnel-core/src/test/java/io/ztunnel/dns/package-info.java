@NullMarked
package io.ztunnel.dns;

import org.jspecify.annotations.NullMarked;
