package io.ztunnel.hbone;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/**
 * Payload that its listener does not have yet, or that waits to be sent. What would keep more
 * memory than it is worth is put together.
 *
 * <p>Confined to its connection's event loop.
 */
final class WaitingPayload {
  private final ArrayDeque<ByteBuf> pieces = new ArrayDeque<>(2);

  /** What it holds comes after the pieces. */
  private final PayloadPacker gathering;

  WaitingPayload(ByteBufAllocator alloc) {
    this.gathering = new PayloadPacker(alloc, pieces::add);
  }

  boolean isEmpty() {
    return pieces.isEmpty() && gathering.isEmpty();
  }

  /** Whether there is nothing but one piece that has room for more. */
  boolean isGathering() {
    return pieces.isEmpty() && !gathering.isEmpty();
  }

  void add(ByteBuf piece) {
    if (PayloadPacker.suits(piece)) {
      gathering.add(piece);
    } else {
      gathering.flush();
      pieces.add(piece);
    }
  }

  @Nullable ByteBuf poll() {
    if (pieces.isEmpty()) {
      gathering.flush();
    }
    return pieces.poll();
  }

  void close() {
    pieces.forEach(ByteBuf::release);
    pieces.clear();
    gathering.close();
  }
}
