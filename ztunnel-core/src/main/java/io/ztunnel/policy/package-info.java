/** L4 authorization: may this connection be? Pure. */
@NullMarked
package io.ztunnel.policy;

import org.jspecify.annotations.NullMarked;
