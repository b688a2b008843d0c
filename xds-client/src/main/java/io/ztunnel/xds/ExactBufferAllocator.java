package io.ztunnel.xds;

import io.netty.buffer.AbstractByteBufAllocator;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocatorMetric;
import io.netty.buffer.ByteBufAllocatorMetricProvider;
import io.netty.buffer.UnpooledByteBufAllocator;

/**
 * Buffers of the size that is asked for, from no pool, for what comes from the control plane: a
 * response is held as it came, some 16 KiB a buffer, until its last byte has come. The next larger
 * sizes of a pool and of decoders took a fifth more. What is given back is free memory.
 *
 * <p>Any thread.
 */
final class ExactBufferAllocator extends AbstractByteBufAllocator
    implements ByteBufAllocatorMetricProvider {
  private final UnpooledByteBufAllocator buffers = new UnpooledByteBufAllocator(true);

  ExactBufferAllocator() {
    super(true);
  }

  @Override
  protected ByteBuf newHeapBuffer(int initialCapacity, int maxCapacity) {
    return buffers.heapBuffer(initialCapacity, maxCapacity);
  }

  @Override
  protected ByteBuf newDirectBuffer(int initialCapacity, int maxCapacity) {
    return buffers.directBuffer(initialCapacity, maxCapacity);
  }

  @Override
  public boolean isDirectBufferPooled() {
    return false;
  }

  /**
   * What decoders ask when they put two buffers together; Netty's next power of two is for pools.
   */
  @Override
  public int calculateNewCapacity(int minNewCapacity, int maxCapacity) {
    if (minNewCapacity < 0 || minNewCapacity > maxCapacity) {
      throw new IllegalArgumentException(
          "minNewCapacity: %d (expected: 0..%d)".formatted(minNewCapacity, maxCapacity));
    }
    return minNewCapacity;
  }

  @Override
  public ByteBufAllocatorMetric metric() {
    return buffers.metric();
  }
}
