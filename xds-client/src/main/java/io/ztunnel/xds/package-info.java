/**
 * The way to the control plane: channels to it, and delta xDS over one stream. Generic in the
 * resource: what a resource means is its owner's business.
 */
@NullMarked
package io.ztunnel.xds;

import org.jspecify.annotations.NullMarked;
