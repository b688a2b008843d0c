package io.ztunnel.bench.load;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A JSON document as maps, lists, strings, numbers (all double) and booleans; {@code null} members
 * are left out.
 */
public final class Json {
  static final JsonFactory FACTORY = new JsonFactory();

  private Json() {}

  /** Reads a document that is one object. */
  public static Map<String, Object> readObject(String text) throws IOException {
    try (JsonParser parser = FACTORY.createParser(text)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        throw new IOException("no JSON object (found: " + parser.currentToken() + ")");
      }
      return object(parser);
    }
  }

  /** The number at a path of member names. */
  static double number(Map<String, Object> object, String... path) throws IOException {
    Object value = object;
    for (String name : path) {
      value = value instanceof Map<?, ?> map ? map.get(name) : null;
    }
    if (value instanceof Double number) {
      return number;
    }
    throw new IOException(String.join(".", path) + ": " + value + " (expected: a number)");
  }

  private static Map<String, Object> object(JsonParser parser) throws IOException {
    Map<String, Object> members = new LinkedHashMap<>();
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String name = parser.currentName();
      if (parser.nextToken() != JsonToken.VALUE_NULL) {
        members.put(name, value(parser));
      }
    }
    return members;
  }

  private static Object value(JsonParser parser) throws IOException {
    JsonToken token = parser.currentToken();
    if (token == JsonToken.START_OBJECT) {
      return object(parser);
    }
    if (token == JsonToken.START_ARRAY) {
      List<Object> elements = new ArrayList<>();
      while (parser.nextToken() != JsonToken.END_ARRAY) {
        if (parser.currentToken() != JsonToken.VALUE_NULL) {
          elements.add(value(parser));
        }
      }
      return elements;
    }
    if (token.isNumeric()) {
      return parser.getDoubleValue();
    }
    if (token.isBoolean()) {
      return parser.getBooleanValue();
    }
    return parser.getText();
  }
}
