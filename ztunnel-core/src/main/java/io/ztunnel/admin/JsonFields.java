package io.ztunnel.admin;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The fields of one object of the dump, being collected. Confined to the thread that uses it. */
final class JsonFields {
  private final Map<String, @Nullable Object> fields = new LinkedHashMap<>();

  JsonFields with(String name, @Nullable Object value) {
    fields.put(name, value);
    return this;
  }

  /** Leaves out the empty text. */
  JsonFields known(String name, String value) {
    return value.isEmpty() ? this : with(name, value);
  }

  /** Leaves out what is not set. */
  JsonFields set(String name, @Nullable Object value) {
    return value == null ? this : with(name, value);
  }

  /** Leaves out the empty list. */
  JsonFields some(String name, Collection<?> values) {
    return values.isEmpty() ? this : with(name, values);
  }

  Map<String, @Nullable Object> map() {
    return fields;
  }
}
