package io.ztunnel.admin;

import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpRequest;
import java.util.Set;
import java.util.TreeSet;

/**
 * The query of a page below {@code /debug}: each name is known, and text or JSON is asked for by
 * {@code format} or by {@code Accept}. Immutable.
 */
record DebugQuery(Query query, boolean json) {
  private static final String FORMAT = "format";

  /** Reads a query in which only these names may be, and {@code format}. */
  static DebugQuery of(HttpRequest request, Set<String> names) throws BadQueryException {
    Query query = Query.of(request.uri());
    for (String name : query.names()) {
      if (!names.contains(name) && !name.equals(FORMAT)) {
        var known = new TreeSet<>(names);
        known.add(FORMAT);
        throw new BadQueryException(
            name + ": unknown (expected: " + String.join(", ", known) + ")");
      }
    }
    boolean accepted =
        request.headers().getAll(HttpHeaderNames.ACCEPT).stream()
            .anyMatch(header -> header.contains("application/json"));
    return new DebugQuery(
        query,
        switch (query.last(FORMAT)) {
          case "" -> accepted;
          case "json" -> true;
          case "text" -> false;
          case String other ->
              throw new BadQueryException("format: " + other + " (expected: text or json)");
        });
  }

  /** The last value of this name; empty: none. */
  String value(String name) {
    return query.last(name);
  }
}
