package io.ztunnel.admin;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The query of a request, read as the reference reads it (WHATWG URL, 5.1): what is no escape
 * stands for itself, so that no query is malformed. Not changed once it is read.
 *
 * @param values decoded, by decoded name, in the order of the request
 */
record Query(Map<String, List<String>> values) {

  /** Of what a request line says, path and query. */
  static Query of(String uri) {
    int from = uri.indexOf('?');
    Map<String, List<String>> values = new LinkedHashMap<>();
    for (String pair : from < 0 ? new String[0] : uri.substring(from + 1).split("&")) {
      if (!pair.isEmpty()) {
        String[] parts = pair.split("=", 2);
        values
            .computeIfAbsent(decoded(parts[0]), _ -> new ArrayList<>())
            .add(parts.length < 2 ? "" : decoded(parts[1]));
      }
    }
    return new Query(values);
  }

  boolean has(String name) {
    return values.containsKey(name);
  }

  Set<String> names() {
    return values.keySet();
  }

  /** The last value of this name; empty: none. */
  String last(String name) {
    List<String> found = values.getOrDefault(name, List.of());
    return found.isEmpty() ? "" : found.getLast();
  }

  private static String decoded(String text) {
    byte[] in = text.getBytes(StandardCharsets.ISO_8859_1); // a char of the request line is a byte
    var out = new ByteArrayOutputStream(in.length);
    for (int i = 0; i < in.length; i++) {
      int high = in[i] == '%' && i + 2 < in.length ? Character.digit(in[i + 1], 16) : -1;
      int low = high >= 0 ? Character.digit(in[i + 2], 16) : -1;
      if (low >= 0) {
        out.write(high << 4 | low);
        i += 2;
      } else {
        out.write(in[i] == '+' ? ' ' : in[i]);
      }
    }
    return out.toString(StandardCharsets.UTF_8);
  }
}
