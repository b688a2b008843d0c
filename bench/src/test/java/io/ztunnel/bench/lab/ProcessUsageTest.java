package io.ztunnel.bench.lab;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class ProcessUsageTest {
  @Test
  void cpuTimeIsUserAndSystemWhateverTheProcessIsCalled() {
    String stat = "17 (a ) R 1) S 1 17 17 0 -1 4194560 1 2 3 4 250 50 9 9 20 0 30 0 1 2 3";

    assertEquals(Duration.ofSeconds(3), ProcessUsage.cpuTime(stat));
  }

  @Test
  void residentMemoryIsInBytes() {
    assertEquals(
        104 * 1024, ProcessUsage.residentBytes("Name:\tjava\nVmRSS:\t     104 kB\nThreads:\t3\n"));
  }

  @Test
  void ownProcessCanBeRead() throws IOException {
    long pid = ProcessHandle.current().pid();

    assertTrue(ProcessUsage.cpuTime(pid).isPositive());
    assertTrue(ProcessUsage.residentBytes(pid) > 1 << 20);
  }

  @Test
  void threadsAreToldByTheBeginningOfTheirNames() throws Exception {
    Thread busy = Thread.ofPlatform().name("busy bee").start(ProcessUsageTest::spin);
    try {
      long pid = ProcessHandle.current().pid();
      while (ProcessUsage.cpuTime(pid, "busy ").isZero()) {
        Thread.onSpinWait();
      }
      assertEquals(Duration.ZERO, ProcessUsage.cpuTime(pid, "no such thread"));
    } finally {
      busy.interrupt();
      busy.join();
    }
  }

  private static void spin() {
    while (!Thread.currentThread().isInterrupted()) {
      Thread.onSpinWait();
    }
  }
}
