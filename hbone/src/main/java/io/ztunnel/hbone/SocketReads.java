package io.ztunnel.hbone;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.channel.ChannelConfig;
import io.netty.channel.DefaultMaxMessagesRecvByteBufAllocator;
import io.netty.channel.RecvByteBufAllocator;
import io.netty.util.concurrent.FastThreadLocal;

/**
 * Sizes the buffers of a socket's reads, from 2 KiB to 256 KiB as the traffic asks. There is one
 * read in a turn of the event loop, so that what is written comes in few and large pieces while
 * nobody waits for long: sockets that are busy at the same time share those 256 KiB, down to 64 KiB
 * for each.
 *
 * <p>Immutable; each channel gets its own handle, confined to its event loop.
 */
public final class SocketReads extends DefaultMaxMessagesRecvByteBufAllocator {
  private static final int SMALLEST_BYTES = 2 << 10;
  private static final int LARGEST_BYTES = 256 << 10;

  /** What a busy socket may read in a turn, however many there are. */
  private static final int SMALLEST_SHARE_BYTES = 64 << 10;

  private static final int GROWTH = 4;

  /** Reads in a row that filled less than a quarter, after which a smaller buffer will do. */
  private static final int SMALL_READS_BEFORE_SHRINKING = 8;

  private final int headRoomBytes;

  private SocketReads(int headRoomBytes) {
    super(/* maxMessagesPerRead= */ 1);
    this.headRoomBytes = headRoomBytes;
  }

  /**
   * For what becomes the payload of a tunnel: there is room in front of the bytes for a frame
   * header ({@link Tunnel#HEAD_ROOM_BYTES}), so that a read becomes a DATA frame without a copy.
   */
  public static SocketReads ofPayload() {
    return new SocketReads(Tunnel.HEAD_ROOM_BYTES);
  }

  /**
   * For the server's end of a tunnel. TLS decodes into a buffer as large as what was read, which
   * must have room for whole records of 16 KiB: with a few bytes less the rest goes on by itself,
   * as a tiny write.
   */
  static SocketReads ofRecords() {
    return new SocketReads(0);
  }

  /**
   * Lets a channel be read on when a write has failed. Netty would close it, with what the peer had
   * sent before; now it fires {@link io.netty.channel.socket.ChannelOutputShutdownEvent}, and the
   * owner closes it.
   */
  @SuppressWarnings("deprecation") // Netty means to make this its only way
  public static void goOnAfterFailedWrites(Channel channel) {
    channel.config().setAutoClose(false);
  }

  @Override
  @SuppressWarnings("deprecation") // the interface's only way to make a handle
  public Handle newHandle() {
    return new Sizer();
  }

  /**
   * One turn of an event loop, in which each socket is read once at most: one that is read again
   * shows that the next turn has begun. Confined to the loop's thread.
   */
  private static final class Turn {
    private static final FastThreadLocal<Turn> OF_THREAD =
        new FastThreadLocal<>() {
          @Override
          protected Turn initialValue() {
            return new Turn();
          }
        };

    private long number;
    private int busySockets;
    private int busyBefore;

    /** Tells in which turn a socket is read that was last read in this one. */
    long next(long last) {
      if (last == number) {
        number++;
        busyBefore = busySockets;
        busySockets = 0;
      }
      return number;
    }

    /** A read filled its buffer: there is more. */
    void onBusy() {
      busySockets++;
    }

    int shareBytes() {
      return Math.max(LARGEST_BYTES / Math.max(busyBefore, 1), SMALLEST_SHARE_BYTES);
    }
  }

  private final class Sizer extends MaxMessageHandle
      implements RecvByteBufAllocator.ExtendedHandle {
    private Turn turn = Turn.OF_THREAD.get();
    private long lastTurn = -1;
    private int sizeBytes = SMALLEST_BYTES;
    private int smallReads;

    @Override
    public void reset(ChannelConfig config) {
      super.reset(config);
      turn = Turn.OF_THREAD.get();
      lastTurn = turn.next(lastTurn);
    }

    @Override
    public ByteBuf allocate(ByteBufAllocator allocator) {
      int bytes = nextBytes();
      return allocator.ioBuffer(bytes, bytes).setIndex(headRoomBytes, headRoomBytes);
    }

    @Override
    public int guess() {
      return nextBytes() - headRoomBytes;
    }

    private int nextBytes() {
      return Math.min(sizeBytes, turn.shareBytes());
    }

    @Override
    public void lastBytesRead(int bytes) {
      if (bytes > 0) {
        if (bytes == attemptedBytesRead()) {
          turn.onBusy();
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
