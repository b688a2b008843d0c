/** Where the process spends its time and memory, in forms that tools read. */
@NullMarked
package io.ztunnel.profile;

import org.jspecify.annotations.NullMarked;
