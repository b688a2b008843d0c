@NullMarked
package io.ztunnel.mesh;

import org.jspecify.annotations.NullMarked;
