/** Meshes on one machine, made of network namespaces and real daemons, and the demos in them. */
@NullMarked
package io.ztunnel.bench.lab;

import org.jspecify.annotations.NullMarked;
