package io.ztunnel.mesh;

import java.util.Arrays;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Values by keys of bytes, as many as have room: a key takes the place of another with the same
 * slot once there are {@value #MAX_SLOTS} of these. Confined to the thread that uses it.
 */
final class ByteKeys<V> {
  private static final int FIRST_SLOTS = 64;
  private static final int MAX_SLOTS = 1 << 15;

  private static final class Entry<V> {
    private final byte[] key;
    private final V value;

    Entry(byte[] key, V value) {
      this.key = key;
      this.value = value;
    }
  }

  /** As fast in a JVM that has just started, which is when it matters. */
  private final CRC32C checksum = new CRC32C();

  private @Nullable Entry<V>[] slots = slots(FIRST_SLOTS);
  private int size;

  @SuppressWarnings({"unchecked", "rawtypes"}) // an array of generic type
  private static <V> @Nullable Entry<V>[] slots(int count) {
    return new Entry[count];
  }

  boolean isEmpty() {
    return size == 0;
  }

  /** The value of the key in the first bytes of an array. */
  @Nullable V get(byte[] bytes, int length) {
    Entry<V> entry = slots[slot(bytes, length)];
    return entry != null && Arrays.equals(entry.key, 0, entry.key.length, bytes, 0, length)
        ? entry.value
        : null;
  }

  /** Keeps a value, and a copy of its key. */
  void put(byte[] bytes, int length, V value) {
    if (size > slots.length / 2 && slots.length < MAX_SLOTS) {
      grow();
    }
    int slot = slot(bytes, length);
    if (slots[slot] == null) {
      size++;
    }
    slots[slot] = new Entry<>(Arrays.copyOf(bytes, length), value);
  }

  private int slot(byte[] bytes, int length) {
    checksum.reset();
    checksum.update(bytes, 0, length);
    return (int) checksum.getValue() & (slots.length - 1);
  }

  private void grow() {
    @Nullable Entry<V>[] old = slots;
    slots = slots(4 * old.length);
    size = 0;
    for (Entry<V> entry : old) {
      if (entry != null) {
        int slot = slot(entry.key, entry.key.length);
        size += slots[slot] == null ? 1 : 0;
        slots[slot] = entry;
      }
    }
  }
}
