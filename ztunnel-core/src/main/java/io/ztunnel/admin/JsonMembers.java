package io.ztunnel.admin;

import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * An object of JSON whose members are made as they are written, for one that may have very many.
 * Written once.
 *
 * @param sorted the members in the order of their names
 */
record JsonMembers(Stream<? extends Map.Entry<String, ? extends @Nullable Object>> sorted) {}
