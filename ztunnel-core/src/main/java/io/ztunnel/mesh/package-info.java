/**
 * The mesh as the control plane describes it: workloads, services and policies, the indexes the
 * data path asks, and the local file they can be read from.
 */
@NullMarked
package io.ztunnel.mesh;

import org.jspecify.annotations.NullMarked;
