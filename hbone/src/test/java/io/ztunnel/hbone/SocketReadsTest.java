package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.channel.ChannelConfig;
import io.netty.channel.RecvByteBufAllocator;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.util.concurrent.FastThreadLocal;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SocketReadsTest {
  private static final int SMALLEST = 2 << 10;
  private static final int LARGEST = 256 << 10;

  private static final ChannelConfig CONFIG = new EmbeddedChannel().config();

  @SuppressWarnings("deprecation") // the interface's only way to make a handle
  private final RecvByteBufAllocator.Handle handle = SocketReads.ofPayload().newHandle();

  /** What other tests read on this thread is of another turn. */
  @BeforeEach
  void beginTurn() {
    FastThreadLocal.removeAll();
    handle.reset(CONFIG);
  }

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
    for (int expected : new int[] {SMALLEST, 8 << 10, 32 << 10, 128 << 10, LARGEST, LARGEST}) {
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
    readFull(4);
    readSmall(7);
    assertEquals(LARGEST, size());
    readSmall(1);
    assertEquals(64 << 10, size());
    readSmall(8);
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
    readFull(4);
    readSmall(7);
    int _ = read(LARGEST / 4);
    readSmall(7);
    assertEquals(LARGEST, size());
  }

  @Test
  void readsThatFindNothingDoNotCount() {
    readFull(4);
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
    SocketReads allocator = SocketReads.ofPayload();
    RecvByteBufAllocator.Handle busy = allocator.newHandle();
    RecvByteBufAllocator.Handle quiet = allocator.newHandle();
    busy.attemptedBytesRead(100);
    busy.lastBytesRead(100);
    assertEquals(SMALLEST - Tunnel.HEAD_ROOM_BYTES, quiet.guess());
    assertEquals((8 << 10) - Tunnel.HEAD_ROOM_BYTES, busy.guess());
  }

  @Test
  @SuppressWarnings("deprecation") // the interface's only way to make a handle
  void readsOfRecordsTakeWholeOnes() {
    RecvByteBufAllocator.Handle records = SocketReads.ofRecords().newHandle();
    for (int i = 0; i < 5; i++) {
      ByteBuf buffer = records.allocate(PooledByteBufAllocator.DEFAULT);
      records.attemptedBytesRead(buffer.writableBytes());
      records.lastBytesRead(buffer.writableBytes());
      buffer.release();
    }
    assertEquals(LARGEST, records.guess());
    assertEquals(0, records.guess() % (16 << 10));
  }

  /** One turn of the loop, in which each of these sockets has more than it reads. */
  @SuppressWarnings("deprecation") // the interface's only way to make a handle
  private static List<Integer> turn(List<RecvByteBufAllocator.Handle> busy) {
    List<Integer> sizes = new ArrayList<>();
    for (RecvByteBufAllocator.Handle each : busy) {
      each.reset(CONFIG);
      ByteBuf buffer = each.allocate(PooledByteBufAllocator.DEFAULT);
      sizes.add(buffer.capacity());
      each.attemptedBytesRead(buffer.writableBytes());
      each.lastBytesRead(buffer.writableBytes());
      each.incMessagesRead(1);
      assertFalse(each.continueReading());
      buffer.release();
    }
    return sizes;
  }

  @ParameterizedTest
  @CsvSource({"1, 256", "2, 128", "3, 85", "4, 64", "40, 64"})
  @SuppressWarnings("deprecation") // the interface's only way to make a handle
  void socketsThatAreBusyAtOnceShareATurn(int sockets, int expectedKib) {
    List<RecvByteBufAllocator.Handle> busy = new ArrayList<>();
    for (int i = 0; i < sockets; i++) {
      busy.add(SocketReads.ofPayload().newHandle());
    }
    for (int i = 0; i < 5; i++) {
      List<Integer> _ = turn(busy);
    }
    for (int size : turn(busy)) {
      assertEquals(expectedKib, size / 1024);
    }
    List<RecvByteBufAllocator.Handle> last = busy.subList(0, 1);
    List<Integer> _ = turn(last);
    List<Integer> _ = turn(last);
    assertEquals(List.of(LARGEST), turn(last), "alone again");
  }
}
