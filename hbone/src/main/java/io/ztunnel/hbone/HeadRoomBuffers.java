package io.ztunnel.hbone;

import io.netty.buffer.AbstractByteBufAllocator;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.PooledByteBufAllocator;

/**
 * Direct buffers of the pool with room in front for the header of a DATA frame. For what runs in a
 * tunnel: the records that TLS makes there go into frames as they are, instead of each having its
 * header in a buffer and a TLS record of the outer connection by itself. Immutable; any thread.
 */
final class HeadRoomBuffers extends AbstractByteBufAllocator {
  static final ByteBufAllocator INSTANCE = new HeadRoomBuffers();

  private static final ByteBufAllocator POOL = PooledByteBufAllocator.DEFAULT;

  private HeadRoomBuffers() {
    super(/* preferDirect= */ true);
  }

  @Override
  protected ByteBuf newDirectBuffer(int initialCapacity, int maxCapacity) {
    return POOL.directBuffer(withRoom(initialCapacity), withRoom(maxCapacity))
        .setIndex(Tunnel.HEAD_ROOM_BYTES, Tunnel.HEAD_ROOM_BYTES);
  }

  private static int withRoom(int bytes) {
    return (int) Math.min((long) bytes + Tunnel.HEAD_ROOM_BYTES, Integer.MAX_VALUE);
  }

  @Override
  protected ByteBuf newHeapBuffer(int initialCapacity, int maxCapacity) {
    return POOL.heapBuffer(initialCapacity, maxCapacity);
  }

  @Override
  public boolean isDirectBufferPooled() {
    return POOL.isDirectBufferPooled();
  }
}
