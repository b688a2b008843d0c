@NullMarked
package io.ztunnel.telemetry;

import org.jspecify.annotations.NullMarked;
