package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.channel.RecvByteBufAllocator;
import io.ztunnel.hbone.Tunnel;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class HeadRoomAllocatorTest {
  private static final int SMALLEST = 2 << 10;
  private static final int LARGEST = 64 << 10;

  @SuppressWarnings("deprecation") // the interface's only way to make a handle
  private final RecvByteBufAllocator.Handle handle = new HeadRoomAllocator().newHandle();

  /** What the next buffer takes, head-room included. */
  private int size() {
    return read(0);
  }

  /** One read that finds so many bytes, or as many as fit; returns the size of its buffer. */
  private int read(int available) {
    ByteBuf buffer = handle.allocate(PooledByteBufAllocator.DEFAULT);
    try {
      assertEquals(Tunnel.HEAD_ROOM_BYTES, buffer.readerIndex());
      assertEquals(0, buffer.readableBytes());
      assertEquals(buffer.maxCapacity(), buffer.capacity(), "can grow");
      assertEquals(buffer.writableBytes(), handle.guess());
      int size = buffer.capacity();
      handle.attemptedBytesRead(buffer.writableBytes());
      handle.lastBytesRead(Math.min(available, buffer.writableBytes()));
      return size;
    } finally {
      buffer.release();
    }
  }

  private void readFull(int times) {
    for (int i = 0; i < times; i++) {
      int _ = read(Integer.MAX_VALUE);
    }
  }

  private void readSmall(int times) {
    for (int i = 0; i < times; i++) {
      int _ = read(1);
    }
  }

  @Test
  void beginsSmall() {
    assertEquals(SMALLEST, size());
  }

  @Test
  void aReadThatFillsItsBufferMakesTheNextFourTimesAsLarge() {
    for (int expected : new int[] {SMALLEST, 8 << 10, 32 << 10, LARGEST, LARGEST}) {
      assertEquals(expected, read(Integer.MAX_VALUE));
    }
  }

  @Test
  void aReadOneByteShortOfItsBufferChangesNothing() {
    int _ = read(SMALLEST - Tunnel.HEAD_ROOM_BYTES - 1);
    assertEquals(SMALLEST, size());
  }

  @Test
  void eightSmallReadsInARowMakeItSmaller() {
    readFull(3);
    readSmall(7);
    assertEquals(LARGEST, size());
    readSmall(1);
    assertEquals(16 << 10, size());
    readSmall(8);
    assertEquals(4 << 10, size());
    readSmall(8);
    assertEquals(SMALLEST, size());
    readSmall(8);
    assertEquals(SMALLEST, size());
  }

  @Test
  void aLargerReadBetweenStartsTheCountAgain() {
    readFull(3);
    readSmall(7);
    int _ = read(LARGEST / 4);
    readSmall(7);
    assertEquals(LARGEST, size());
  }

  @Test
  void readsThatFindNothingDoNotCount() {
    readFull(3);
    for (int i = 0; i < 20; i++) {
      int _ = read(i % 2 == 0 ? 0 : -1);
    }
    assertEquals(LARGEST, size());
  }

  @Test
  void anyTrafficKeepsItBetweenTheBoundsWithHeadRoom() {
    long seed = System.nanoTime();
    SplittableRandom random = new SplittableRandom(seed);
    for (int i = 0; i < 2_000; i++) {
      int size = read(random.nextBoolean() ? random.nextInt(LARGEST * 2) : random.nextInt(600));
      assertTrue(size >= SMALLEST && size <= LARGEST, "size " + size + ", seed " + seed);
    }
  }

  @Test
  @SuppressWarnings("deprecation") // the interface's only way to make a handle
  void channelsDoNotShareTheirSize() {
    HeadRoomAllocator allocator = new HeadRoomAllocator();
    RecvByteBufAllocator.Handle busy = allocator.newHandle();
    RecvByteBufAllocator.Handle quiet = allocator.newHandle();
    busy.attemptedBytesRead(100);
    busy.lastBytesRead(100);
    assertEquals(SMALLEST - Tunnel.HEAD_ROOM_BYTES, quiet.guess());
    assertEquals((8 << 10) - Tunnel.HEAD_ROOM_BYTES, busy.guess());
  }
}
