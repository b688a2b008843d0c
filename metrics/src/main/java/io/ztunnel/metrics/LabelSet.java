package io.ztunnel.metrics;

import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.Tags;
import java.util.ArrayList;
import java.util.List;

/**
 * Label values of one series with their text, made once and shared by all families that have the
 * same labels. Immutable; equal if the values are.
 */
final class LabelSet {
  /** Printed for a value that is not known. */
  static final String UNKNOWN = "unknown";

  static final LabelSet NONE = new LabelSet(List.of(), List.of());

  private final List<String> values;
  private final Tags tags;
  private final String text;

  /**
   * @param values the values of the first {@code values.size()} names; a family may print the
   *     labels at its end only for some series
   */
  LabelSet(List<String> names, List<String> values) {
    if (values.size() > names.size()) {
      throw new IllegalArgumentException(
          "label values: " + values.size() + " (expected: at most " + names.size() + ")");
    }
    var known = new ArrayList<String>(values.size());
    var tagList = new ArrayList<Tag>(values.size());
    var out = new StringBuilder();
    for (int i = 0; i < values.size(); i++) {
      String value = values.get(i).isEmpty() ? UNKNOWN : values.get(i);
      known.add(value);
      tagList.add(Tag.of(names.get(i), value));
      out.append(i == 0 ? '{' : ',').append(names.get(i)).append("=\"");
      appendEscaped(out, value);
      out.append('"');
    }
    if (!known.isEmpty()) {
      out.append('}');
    }
    this.values = List.copyOf(known);
    this.tags = Tags.of(tagList);
    this.text = out.toString();
  }

  /** The store's form; it sorts by name, which is why the text is kept beside it. */
  Tags tags() {
    return tags;
  }

  /** With braces, escaped; empty if there are no labels. */
  String text() {
    return text;
  }

  /** The text with one more label behind, whose value needs no escapes. */
  String textWith(String name, String value) {
    String label = name + "=\"" + value + "\"}";
    return text.isEmpty() ? "{" + label : text.substring(0, text.length() - 1) + "," + label;
  }

  /** Escapes what OpenMetrics wants escaped in label values and HELP. */
  static void appendEscaped(StringBuilder out, String value) {
    for (int i = 0; i < value.length(); i++) {
      char c = value.charAt(i);
      switch (c) {
        case '\\' -> out.append("\\\\");
        case '"' -> out.append("\\\"");
        case '\n' -> out.append("\\n");
        default -> out.append(c);
      }
    }
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof LabelSet that && values.equals(that.values);
  }

  @Override
  public int hashCode() {
    return values.hashCode();
  }

  @Override
  public String toString() {
    return text;
  }
}
