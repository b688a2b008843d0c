package io.ztunnel.log;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a line belongs to: a connection, a pod's proxy. Printed behind the target, outermost first.
 * Immutable.
 *
 * @param parent the span around this one, may be null
 */
public record Span(@Nullable Span parent, String name, List<Field> fields) {
  /** One attribute; a string is printed in quotes, any other value as it is. */
  public record Field(String name, Object value) {
    /** An attribute whose text is printed as it is, without quotes. */
    public static Field display(String name, String text) {
      return new Field(name, new Display(text));
    }
  }

  private record Display(String text) {
    @Override
    public String toString() {
      return text;
    }
  }

  public Span {
    fields = List.copyOf(fields);
  }

  /** An outermost span. */
  public static Span of(String name, Field... fields) {
    return new Span(null, name, List.of(fields));
  }

  /** A span inside this one. */
  public Span child(String childName, Field... childFields) {
    return new Span(this, childName, List.of(childFields));
  }
}
