package io.ztunnel.admin;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.core.util.Separators;
import java.io.IOException;
import java.io.OutputStream;
import java.util.Iterator;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Writes values as JSON the way operators' tools are used to: two spaces, keys sorted, one element
 * a line. A value is a map, an iterable, a stream (whose elements are made as they are written), a
 * string, a number, a truth value or null.
 */
final class JsonText {
  private static final JsonFactory FACTORY = new JsonFactory();

  private JsonText() {}

  static void write(@Nullable Object value, OutputStream out) throws IOException {
    var indenter = new DefaultIndenter("  ", "\n");
    var separators =
        Separators.createDefaultInstance()
            .withObjectFieldValueSpacing(Separators.Spacing.AFTER)
            .withObjectEmptySeparator("")
            .withArrayEmptySeparator("");
    var printer =
        new DefaultPrettyPrinter(separators)
            .withObjectIndenter(indenter)
            .withArrayIndenter(indenter);
    try (JsonGenerator json = FACTORY.createGenerator(out)) {
      json.setPrettyPrinter(printer);
      write(value, json);
    }
  }

  private static void write(@Nullable Object value, JsonGenerator json) throws IOException {
    switch (value) {
      case null -> json.writeNull();
      case Map<?, ?> map -> writeSorted(map, json);
      case Iterable<?> elements -> writeArray(elements.iterator(), json);
      case Stream<?> elements -> writeArray(elements.iterator(), json);
      case String text -> json.writeString(text);
      case Boolean flag -> json.writeBoolean(flag);
      case Integer number -> json.writeNumber(number);
      case Long number -> json.writeNumber(number);
      default ->
          throw new IllegalArgumentException(
              "JSON value: " + value.getClass() + " (expected: map, list, text, number, flag)");
    }
  }

  private static void writeSorted(Map<?, ?> map, JsonGenerator json) throws IOException {
    var sorted = new TreeMap<String, @Nullable Object>();
    map.forEach((key, value) -> sorted.put(key.toString(), value));
    json.writeStartObject();
    for (var entry : sorted.entrySet()) {
      json.writeFieldName(entry.getKey());
      write(entry.getValue(), json);
    }
    json.writeEndObject();
  }

  private static void writeArray(Iterator<?> elements, JsonGenerator json) throws IOException {
    json.writeStartArray();
    while (elements.hasNext()) {
      write(elements.next(), json);
    }
    json.writeEndArray();
  }
}
