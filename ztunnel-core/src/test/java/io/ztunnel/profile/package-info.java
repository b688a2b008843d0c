@NullMarked
package io.ztunnel.profile;

import org.jspecify.annotations.NullMarked;
