package io.ztunnel.mesh;

import java.util.Arrays;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Values by keys of bytes: an open hash table, which takes no more keys when it has {@value
 * #MAX_KEYS}. Confined to the thread that uses it.
 */
final class ByteKeys<V> {
  static final int MAX_KEYS = 1 << 15;

  private static final int FIRST_SLOTS = 64;

  /** The hash of a key. It is as fast in a JVM that has just started, which is when it matters. */
  private final CRC32C checksum = new CRC32C();

  /** At most half of them are used. */
  private @Nullable Entry<V>[] slots = slots(FIRST_SLOTS);

  private int size;

  /** A key and its value. */
  private static final class Entry<V> {
    private final byte[] key;
    private final V value;

    Entry(byte[] key, V value) {
      this.key = key;
      this.value = value;
    }
  }

  @SuppressWarnings({"unchecked", "rawtypes"}) // an array of a generic type
  private static <V> @Nullable Entry<V>[] slots(int count) {
    return new Entry[count];
  }

  boolean isEmpty() {
    return size == 0;
  }

  /** The value of the key in the first bytes of an array. */
  @Nullable V get(byte[] bytes, int length) {
    Entry<V> entry = slots[slot(bytes, length)];
    return entry == null ? null : entry.value;
  }

  /** Keeps a value, and a copy of its key. */
  void put(byte[] bytes, int length, V value) {
    int slot = slot(bytes, length);
    if (slots[slot] == null) {
      if (size == MAX_KEYS) {
        return;
      }
      size++;
      if (2 * size > slots.length) {
        grow();
        slot = slot(bytes, length);
      }
    }
    slots[slot] = new Entry<>(Arrays.copyOf(bytes, length), value);
  }

  /** Where a key is, or would be. */
  private int slot(byte[] bytes, int length) {
    checksum.reset();
    checksum.update(bytes, 0, length);
    int slot = (int) checksum.getValue() & (slots.length - 1);
    for (Entry<V> entry = slots[slot];
        entry != null && !Arrays.equals(entry.key, 0, entry.key.length, bytes, 0, length);
        entry = slots[slot]) {
      slot = (slot + 1) & (slots.length - 1);
    }
    return slot;
  }

  private void grow() {
    @Nullable Entry<V>[] old = slots;
    slots = slots(2 * old.length);
    for (Entry<V> entry : old) {
      if (entry != null) {
        slots[slot(entry.key, entry.key.length)] = entry;
      }
    }
  }
}
