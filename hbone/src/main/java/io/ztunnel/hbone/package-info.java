@NullMarked
package io.ztunnel.hbone;

import org.jspecify.annotations.NullMarked;
