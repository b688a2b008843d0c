@NullMarked
package io.ztunnel.bench.micro;

import org.jspecify.annotations.NullMarked;
