package io.ztunnel.app;

import java.util.AbstractMap;
import java.util.Map;
import java.util.Set;

/**
 * A value of one of several kinds, as the reference shows it: in JSON a map with the kind as its
 * only key, in YAML a value with the kind as its tag. Immutable.
 */
final class Variant extends AbstractMap<String, Object> {
  private final String kind;
  private final Object content;

  Variant(String kind, Object content) {
    this.kind = kind;
    this.content = content;
  }

  String kind() {
    return kind;
  }

  Object content() {
    return content;
  }

  @Override
  public Set<Map.Entry<String, Object>> entrySet() {
    return Set.of(Map.entry(kind, content));
  }
}
