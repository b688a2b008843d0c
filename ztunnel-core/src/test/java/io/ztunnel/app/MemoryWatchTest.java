package io.ztunnel.app;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.ztunnel.metrics.MeshRegistry;
import io.ztunnel.proxy.Admission;
import io.ztunnel.proxy.Admission.Level;
import io.ztunnel.proxy.Drains;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/** When the heap is collected, and whom connections are taken of; on a clock of the test's. */
class MemoryWatchTest {
  /** A heap of which the test says what is alive, and how much garbage there is. */
  private static final class FakeHeap implements MemoryWatch.Heap {
    double alive;
    double garbage;
    double aliveWhenCollected;
    int collections;

    @Override
    public double used() {
      return alive + garbage;
    }

    @Override
    public double alive() {
      return aliveWhenCollected;
    }

    @Override
    public void collect() {
      collections++;
      garbage = 0;
      aliveWhenCollected = alive;
    }
  }

  private final FakeHeap heap = new FakeHeap();
  private final Admission admission = new Admission(new Drains(new MeshRegistry()));
  private long nanos = Long.MAX_VALUE - 5;
  private final MemoryWatch watch = new MemoryWatch(heap, admission, () -> nanos);

  /** Lets time pass and has a look; returns whom connections are taken of. */
  private Level after(Duration time) {
    nanos += time.toNanos();
    watch.run();
    return admission.level();
  }

  private Level after(int seconds) {
    return after(Duration.ofSeconds(seconds));
  }

  @Test
  void aHeapWithRoomIsLeftAlone() {
    heap.alive = 0.5;
    heap.garbage = 0.34;
    assertEquals(Level.EVERYBODY, after(3_600));
    assertEquals(0, heap.collections);
  }

  @Test
  void garbageIsNoReason() {
    heap.alive = 0.5;
    heap.garbage = 0.4;
    assertEquals(Level.EVERYBODY, after(2));
    assertEquals(1, heap.collections);
    heap.garbage = 0.34;
    assertEquals(Level.EVERYBODY, after(60));
    assertEquals(1, heap.collections);
  }

  @Test
  void theFullerItIsTheFewerAreTaken() {
    heap.alive = 0.849;
    heap.garbage = 0.01;
    assertEquals(Level.EVERYBODY, after(2));
    heap.alive = 0.91;
    assertEquals(Level.MODEST, after(2));
    heap.alive = 0.97;
    assertEquals(Level.NOBODY, after(2));
    assertEquals(3, heap.collections);
  }

  @Test
  void whatIsFreedIsFoundOut() {
    heap.alive = 0.9;
    assertEquals(Level.MODEST, after(2));
    heap.alive = 0.5;
    heap.garbage = 0.4;
    assertEquals(Level.MODEST, after(9), "it may be alive still");
    assertEquals(1, heap.collections);
    assertEquals(Level.EVERYBODY, after(1));
    assertEquals(2, heap.collections);
    assertEquals(Level.EVERYBODY, after(60));
    assertEquals(2, heap.collections);
  }

  @Test
  void collectionsStallAndAreFarFromEachOther() {
    heap.alive = 0.86;
    assertEquals(Level.MODEST, after(2));
    heap.alive = 0.99;
    assertEquals(Level.MODEST, after(Duration.ofMillis(1_999)));
    assertEquals(1, heap.collections);
    assertEquals(Level.NOBODY, after(Duration.ofMillis(1)));
    assertEquals(2, heap.collections);
    for (int second = 0; second < 30; second++) {
      assertEquals(Level.NOBODY, after(1));
    }
    assertEquals(5, heap.collections);
  }
}
