/**
 * The data path: the listeners of a pod, its connections in both directions, and their end. Starts
 * at {@link io.ztunnel.proxy.PodProxy}.
 */
@NullMarked
package io.ztunnel.proxy;

import org.jspecify.annotations.NullMarked;
