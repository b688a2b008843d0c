package io.ztunnel.admin;

import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.QueryStringDecoder;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * The query of a page below {@code /debug}: each name is known, and text or JSON is asked for by
 * {@code format} or by {@code Accept}. Immutable.
 */
record DebugQuery(Map<String, List<String>> values, boolean json) {
  private static final String FORMAT = "format";

  /** Reads a query in which only these names may be, and {@code format}. */
  static DebugQuery of(HttpRequest request, Set<String> names) throws BadQueryException {
    Map<String, List<String>> values = new QueryStringDecoder(request.uri()).parameters();
    for (String name : values.keySet()) {
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
        values,
        switch (last(values, FORMAT)) {
          case "" -> accepted;
          case "json" -> true;
          case "text" -> false;
          case String other ->
              throw new BadQueryException("format: " + other + " (expected: text or json)");
        });
  }

  /** The last value of this name; empty: none. */
  String value(String name) {
    return last(values, name);
  }

  private static String last(Map<String, List<String>> values, String name) {
    List<String> found = values.getOrDefault(name, List.of());
    return found.isEmpty() ? "" : found.getLast();
  }
}
