@NullMarked
package io.ztunnel.admin;

import org.jspecify.annotations.NullMarked;
