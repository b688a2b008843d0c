package io.ztunnel.admin;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.core.util.Separators;
import io.netty.buffer.ByteBuf;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A value as JSON the way operators' tools are used to: two spaces, keys sorted, one element a
 * line. A value is a map, an iterable, a stream or {@link JsonMembers} (whose elements are made as
 * they are written), a string, a number, a truth value or null. What has been begun is kept on a
 * stack, so that the text can be made in pieces; no more of it than a piece is ever held. Confined
 * to the thread that writes.
 */
final class JsonPieces implements Body.Pieces {
  private static final JsonFactory FACTORY = new JsonFactory();

  /** What has been begun and not ended. */
  private sealed interface Open {
    record Elements(Iterator<?> rest) implements Open {}

    record Fields(Iterator<? extends Map.Entry<String, ? extends @Nullable Object>> rest)
        implements Open {}
  }

  private final @Nullable Object value;
  private final Deque<Open> open = new ArrayDeque<>();
  private final PieceOutput target = new PieceOutput();
  private @Nullable JsonGenerator json;

  JsonPieces(@Nullable Object value) {
    this.value = value;
  }

  @Override
  public boolean writeNext(ByteBuf out) throws IOException {
    target.turnTo(out);
    JsonGenerator generator = json;
    if (generator == null) {
      generator = generator();
      json = generator;
      write(value, generator);
    }
    while (!open.isEmpty() && out.readableBytes() < Body.PIECE_BYTES) {
      step(generator);
    }
    if (open.isEmpty()) {
      generator.close();
      return false;
    }
    return true;
  }

  private JsonGenerator generator() throws IOException {
    var separators =
        Separators.createDefaultInstance()
            .withObjectFieldValueSpacing(Separators.Spacing.AFTER)
            .withObjectEmptySeparator("")
            .withArrayEmptySeparator("");
    var indenter = new DefaultIndenter("  ", "\n");
    JsonGenerator generator = FACTORY.createGenerator(target);
    generator.setPrettyPrinter(
        new DefaultPrettyPrinter(separators)
            .withObjectIndenter(indenter)
            .withArrayIndenter(indenter));
    return generator;
  }

  /** Writes one scalar, or the beginning or the end of something larger. */
  private void step(JsonGenerator generator) throws IOException {
    switch (open.getLast()) {
      case Open.Elements(Iterator<?> rest) -> {
        if (rest.hasNext()) {
          write(rest.next(), generator);
        } else {
          open.removeLast();
          generator.writeEndArray();
        }
      }
      case Open.Fields(var rest) -> {
        if (rest.hasNext()) {
          var field = rest.next();
          generator.writeFieldName(field.getKey());
          write(field.getValue(), generator);
        } else {
          open.removeLast();
          generator.writeEndObject();
        }
      }
    }
  }

  private void write(@Nullable Object next, JsonGenerator generator) throws IOException {
    switch (next) {
      case null -> generator.writeNull();
      case Map<?, ?> map -> {
        generator.writeStartObject();
        open.addLast(new Open.Fields(sorted(map).entrySet().iterator()));
      }
      case JsonMembers(var members) -> {
        generator.writeStartObject();
        open.addLast(new Open.Fields(members.iterator()));
      }
      case Iterable<?> elements -> begin(elements.iterator(), generator);
      case Stream<?> elements -> begin(elements.iterator(), generator);
      case String text -> generator.writeString(text);
      case Boolean flag -> generator.writeBoolean(flag);
      case Integer number -> generator.writeNumber(number);
      case Long number -> generator.writeNumber(number);
      default ->
          throw new IllegalArgumentException(
              "JSON value: " + next.getClass() + " (expected: map, list, text, number, flag)");
    }
  }

  private void begin(Iterator<?> elements, JsonGenerator generator) throws IOException {
    generator.writeStartArray();
    open.addLast(new Open.Elements(elements));
  }

  private static Map<String, @Nullable Object> sorted(Map<?, ?> map) {
    var sorted = new TreeMap<String, @Nullable Object>();
    map.forEach((key, field) -> sorted.put(key.toString(), field));
    return sorted;
  }
}
