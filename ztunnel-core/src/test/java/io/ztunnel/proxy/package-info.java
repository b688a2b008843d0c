@NullMarked
package io.ztunnel.proxy;

import org.jspecify.annotations.NullMarked;
