/** What is told of a connection: why it failed, its access-log lines, its metrics. */
@NullMarked
package io.ztunnel.telemetry;

import org.jspecify.annotations.NullMarked;
