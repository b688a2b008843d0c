package io.ztunnel.hbone;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/**
 * Payload that its listener does not have yet. Small pieces are put together, so that a peer cannot
 * make each byte cost a buffer.
 *
 * <p>Confined to its connection's event loop.
 */
final class Inbox {
  /** Pieces below this are copied together. */
  static final int SMALL_BYTES = 1024;

  private static final int GATHERED_BYTES = 16 * 1024;

  private final ByteBufAllocator alloc;
  private final ArrayDeque<ByteBuf> pieces = new ArrayDeque<>(2);
  private @Nullable ByteBuf gathering;

  Inbox(ByteBufAllocator alloc) {
    this.alloc = alloc;
  }

  boolean isEmpty() {
    return pieces.isEmpty();
  }

  /** Whether there is nothing but one piece that has room for more. */
  boolean isGathering() {
    return gathering != null && pieces.size() == 1;
  }

  void add(ByteBuf piece) {
    if (piece.readableBytes() >= SMALL_BYTES) {
      gathering = null;
      pieces.add(piece);
      return;
    }
    ByteBuf tail = gathering;
    if (tail == null || tail.writableBytes() < piece.readableBytes()) {
      tail = alloc.directBuffer(GATHERED_BYTES, GATHERED_BYTES);
      gathering = tail;
      pieces.add(tail);
    }
    tail.writeBytes(piece);
    piece.release();
    if (tail.writableBytes() < SMALL_BYTES) {
      gathering = null;
    }
  }

  @Nullable ByteBuf poll() {
    ByteBuf piece = pieces.poll();
    if (pieces.isEmpty()) {
      gathering = null; // it is always the last one
    }
    return piece;
  }

  void close() {
    pieces.forEach(ByteBuf::release);
    pieces.clear();
    gathering = null;
  }
}
