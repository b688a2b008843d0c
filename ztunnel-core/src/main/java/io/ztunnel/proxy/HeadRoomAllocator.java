package io.ztunnel.proxy;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.channel.DefaultMaxMessagesRecvByteBufAllocator;
import io.netty.channel.RecvByteBufAllocator;
import io.ztunnel.hbone.Tunnel;

/**
 * Sizes the buffers of socket reads, from 2 KiB to 64 KiB as the traffic asks, and leaves room in
 * front of the bytes for a frame header, so that a read becomes a DATA frame without a copy.
 *
 * <p>Immutable; each channel gets its own handle, confined to its event loop.
 */
final class HeadRoomAllocator extends DefaultMaxMessagesRecvByteBufAllocator {
  private static final int SMALLEST_BYTES = 2 << 10;
  private static final int LARGEST_BYTES = 64 << 10;
  private static final int GROWTH = 4;

  /** Reads in a row that filled less than a quarter, after which a smaller buffer will do. */
  private static final int SMALL_READS_BEFORE_SHRINKING = 8;

  @Override
  @SuppressWarnings("deprecation") // the interface's only way to make a handle
  public Handle newHandle() {
    return new Sizer();
  }

  private final class Sizer extends MaxMessageHandle
      implements RecvByteBufAllocator.ExtendedHandle {
    private int sizeBytes = SMALLEST_BYTES;
    private int smallReads;

    @Override
    public ByteBuf allocate(ByteBufAllocator allocator) {
      return allocator
          .ioBuffer(sizeBytes, sizeBytes)
          .setIndex(Tunnel.HEAD_ROOM_BYTES, Tunnel.HEAD_ROOM_BYTES);
    }

    @Override
    public int guess() {
      return sizeBytes - Tunnel.HEAD_ROOM_BYTES;
    }

    @Override
    public void lastBytesRead(int bytes) {
      if (bytes > 0) {
        if (bytes == attemptedBytesRead()) {
          sizeBytes = Math.min(sizeBytes * GROWTH, LARGEST_BYTES);
          smallReads = 0;
        } else if (bytes < sizeBytes / GROWTH) {
          smallReads++;
          if (smallReads == SMALL_READS_BEFORE_SHRINKING) {
            sizeBytes = Math.max(sizeBytes / GROWTH, SMALLEST_BYTES);
            smallReads = 0;
          }
        } else {
          smallReads = 0;
        }
      }
      super.lastBytesRead(bytes);
    }
  }
}
