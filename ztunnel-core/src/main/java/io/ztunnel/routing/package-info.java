/**
 * Where an outbound connection goes and where an inbound CONNECT ends. Pure: values in, values out;
 * the caller does what they say.
 */
@NullMarked
package io.ztunnel.routing;

import org.jspecify.annotations.NullMarked;
