package io.ztunnel.admin;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SortedMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The daemon's state as {@code /config_dump} shows it: named sections, each asked for its value at
 * every request, on the admin server's work thread. Any thread; sections are added at start.
 */
public final class ConfigDump {
  private final SortedMap<String, Supplier<? extends @Nullable Object>> sections =
      new ConcurrentSkipListMap<>();

  /**
   * Adds a section.
   *
   * @param value gives maps, iterables, streams, strings, whole numbers, truth values and nulls;
   *     maps are printed sorted. May be called by any thread and must not wait
   */
  public ConfigDump section(String name, Supplier<? extends @Nullable Object> value) {
    if (sections.put(name, value) != null) {
      throw new IllegalStateException("section added twice: " + name);
    }
    return this;
  }

  /** The sections' values of this moment; their elements are made as they are printed. */
  Map<String, @Nullable Object> values() {
    Map<String, @Nullable Object> values = new LinkedHashMap<>();
    sections.forEach((name, value) -> values.put(name, value.get()));
    return values;
  }
}
