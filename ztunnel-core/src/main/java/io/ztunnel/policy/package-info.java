@NullMarked
package io.ztunnel.policy;

import org.jspecify.annotations.NullMarked;
