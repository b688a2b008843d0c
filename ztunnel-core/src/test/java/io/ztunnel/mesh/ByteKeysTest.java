package io.ztunnel.mesh;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;

final class ByteKeysTest {
  private final ByteKeys<Integer> table = new ByteKeys<>();
  private final byte[] key = new byte[Integer.BYTES + 1];

  /** A key of four bytes; what follows them does not count. */
  private byte[] key(int number) {
    ByteBuffer.wrap(key).putInt(number).put((byte) (number >> 3));
    return key;
  }

  @Test
  void findsEveryKeyAndNoOther() {
    assertTrue(table.isEmpty());
    for (int i = 0; i < 10_000; i++) {
      table.put(key(i), Integer.BYTES, i);
    }
    table.put(key(7), Integer.BYTES, -7);
    for (int i = 0; i < 10_000; i++) {
      assertEquals(i == 7 ? -7 : i, table.get(key(i), Integer.BYTES));
    }
    assertNull(table.get(key(10_000), Integer.BYTES));
    assertNull(table.get(key(0), Integer.BYTES - 1), "a shorter one");
    assertNull(table.get(key(0), Integer.BYTES + 1), "a longer one");
  }

  @Test
  void takesNoMoreThanItMay() {
    for (int i = 0; i <= ByteKeys.MAX_KEYS; i++) {
      table.put(key(i), Integer.BYTES, i);
    }
    assertEquals(0, table.get(key(0), Integer.BYTES));
    assertEquals(ByteKeys.MAX_KEYS - 1, table.get(key(ByteKeys.MAX_KEYS - 1), Integer.BYTES));
    assertNull(table.get(key(ByteKeys.MAX_KEYS), Integer.BYTES));
  }
}
