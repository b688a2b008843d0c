/** Why a connection would go where it goes, and whether it would be let in. */
@NullMarked
package io.ztunnel.explain;

import org.jspecify.annotations.NullMarked;
