/** What the daemon must do, shown through running daemons on nodes made of network namespaces. */
@org.jspecify.annotations.NullMarked
package io.ztunnel.bench.scenarios;
