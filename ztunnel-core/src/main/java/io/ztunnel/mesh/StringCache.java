package io.ztunnel.mesh;

import com.google.protobuf.InvalidProtocolBufferException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * The texts met lately, so that those that repeat (namespaces, nodes, labels) are held once and
 * made once. Of a fixed size: a text takes the place of another with the same slot. Confined to the
 * thread that uses it.
 */
final class StringCache {
  private static final int SLOT_BITS = 13;
  private static final int SLOT_SHIFT = Integer.SIZE - SLOT_BITS;

  /** Of the golden ratio: the high bits of a product with it depend on all bits. */
  private static final int SPREAD = 0x9e3779b1;

  /** Longer ones hardly repeat. */
  private static final int MAX_LENGTH = 128;

  private final @Nullable String[] slots = new String[1 << SLOT_BITS];

  /**
   * The text of these bytes.
   *
   * @throws InvalidProtocolBufferException when they are not UTF-8
   */
  String text(byte[] bytes, int offset, int length) throws InvalidProtocolBufferException {
    int hash = length;
    int all = 0;
    for (int i = offset; i < offset + length; i++) {
      hash = 31 * hash + bytes[i];
      all |= bytes[i];
    }
    if (all < 0) {
      return decoded(bytes, offset, length);
    }
    if (length > MAX_LENGTH) {
      return new String(bytes, offset, length, StandardCharsets.ISO_8859_1);
    }
    int slot = (hash * SPREAD) >>> SLOT_SHIFT;
    String known = slots[slot];
    if (known != null && isText(known, bytes, offset, length)) {
      return known;
    }
    String fresh = new String(bytes, offset, length, StandardCharsets.ISO_8859_1);
    slots[slot] = fresh;
    return fresh;
  }

  private static boolean isText(String text, byte[] bytes, int offset, int length) {
    if (text.length() != length) {
      return false;
    }
    for (int i = 0; i < length; i++) {
      if (text.charAt(i) != bytes[offset + i]) {
        return false;
      }
    }
    return true;
  }

  /** Texts beyond ASCII are rare, and not kept. */
  private static String decoded(byte[] bytes, int offset, int length)
      throws InvalidProtocolBufferException {
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .decode(ByteBuffer.wrap(bytes, offset, length))
          .toString();
    } catch (CharacterCodingException e) {
      throw new InvalidProtocolBufferException("a text that is not UTF-8", e);
    }
  }
}
