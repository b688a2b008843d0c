/** The servers for operators: admin, readiness and stats, over plain HTTP/1.1. */
@NullMarked
package io.ztunnel.admin;

import org.jspecify.annotations.NullMarked;
