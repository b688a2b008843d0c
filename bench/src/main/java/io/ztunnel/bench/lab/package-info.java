@NullMarked
package io.ztunnel.bench.lab;

import org.jspecify.annotations.NullMarked;
