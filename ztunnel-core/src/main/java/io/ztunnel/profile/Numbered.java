package io.ztunnel.profile;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.ToLongFunction;

/**
 * Different values and their numbers: 0, 1, … in the order of arrival. What a new one takes on the
 * heap is taken from a room. Confined to its owner's thread.
 */
final class Numbered<T> {
  /** Instead of a number: the value is new, and there is no room for it. */
  static final int NONE = -1;

  /**
   * What one more entry of a linked hash map takes, in bytes: the entry, and its part of the table
   * while that grows. Here as elsewhere in the package: with references of 4 bytes and headers of
   * 12.
   */
  static final long ENTRY_BYTES = 40 + 16;

  private static final long NUMBER_BYTES = 16;

  private final Map<T, Integer> numbers = new LinkedHashMap<>();
  private final Room room;
  private final ToLongFunction<T> bytes;

  /**
   * None yet.
   *
   * @param bytes of heap that a value takes by itself
   */
  Numbered(Room room, ToLongFunction<T> bytes) {
    this.room = room;
    this.bytes = bytes;
  }

  /** The number of this value, or {@link #NONE}. */
  int of(T value) {
    Integer known = numbers.get(value);
    if (known != null) {
      return known;
    }
    if (!room.take(ENTRY_BYTES + NUMBER_BYTES + bytes.applyAsLong(value))) {
      return NONE;
    }
    int number = numbers.size();
    numbers.put(value, number);
    return number;
  }

  /** In the order of their numbers. */
  Set<T> values() {
    return Collections.unmodifiableSet(numbers.keySet());
  }
}
