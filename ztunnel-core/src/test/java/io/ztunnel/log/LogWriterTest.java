package io.ztunnel.log;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.Await;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class LogWriterTest {
  /** Takes at most so many bytes at a time, and nothing until its gate is open. */
  private static final class Output implements WritableByteChannel {
    final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    final CountDownLatch gate;
    final int most;
    boolean broken;

    Output(int most, int closedGates) {
      this.most = most;
      this.gate = new CountDownLatch(closedGates);
    }

    @Override
    public int write(ByteBuffer from) throws IOException {
      try {
        assertTrue(gate.await(30, TimeUnit.SECONDS));
      } catch (InterruptedException e) {
        throw new IOException(e);
      }
      if (broken) {
        throw new IOException("Broken pipe");
      }
      byte[] part = new byte[Math.min(most, from.remaining())];
      from.get(part);
      bytes.writeBytes(part);
      return part.length;
    }

    @Override
    public boolean isOpen() {
      return true;
    }

    @Override
    public void close() {}
  }

  private static byte[] line(String text) {
    return (text + "\n").getBytes(StandardCharsets.UTF_8);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 7, 1024})
  void partialWritesKeepAllBytesInOrder(int most) {
    var out = new Output(most, 0);
    var expected = new StringBuilder();
    try (var writer = new LogWriter(out, 100, 1 << 20)) {
      for (int i = 0; i < 300; i++) {
        writer.accept(line("line " + i));
        expected.append("line ").append(i).append('\n');
      }
    }
    assertEquals(expected.toString(), out.bytes.toString(StandardCharsets.UTF_8));
  }

  @ParameterizedTest
  @ValueSource(ints = {1 << 20, 1_000})
  void aLineLongerThanTheBatchOrTheQueueComesThrough(int queueBytes) {
    var out = new Output(100_000, 0);
    String text = "x".repeat(300_000);
    try (var writer = new LogWriter(out, 10, queueBytes)) {
      writer.accept(line(text));
      writer.accept(line("after"));
    }
    assertEquals(text + "\nafter\n", out.bytes.toString(StandardCharsets.UTF_8));
  }

  @Test
  void manyThreadsLoseNoLine() throws Exception {
    var out = new Output(1 << 20, 0);
    try (var writer = new LogWriter(out, 16, 1 << 20)) {
      var threads = new ArrayList<Thread>();
      for (int t = 0; t < 10; t++) {
        int id = t;
        threads.add(
            Thread.ofPlatform()
                .start(
                    () -> IntStream.range(0, 200).forEach(i -> writer.accept(line(id + "-" + i)))));
      }
      for (Thread thread : threads) {
        assertTrue(thread.join(Duration.ofSeconds(30)));
      }
    }
    List<String> lines = out.bytes.toString(StandardCharsets.UTF_8).lines().toList();
    assertEquals(2_000, lines.size());
    assertEquals(2_000, new HashSet<>(lines).size());
  }

  @ParameterizedTest
  @CsvSource({"1, 1000000", "10, 8"}) // full of lines, and of bytes
  void aFullQueueMakesTheProducerWaitAndDropsNothing(int lines, int bytes) throws Exception {
    var out = new Output(1 << 20, 1);
    var writer = new LogWriter(out, lines, bytes);
    var accepted = new CountDownLatch(4);
    var stillInterrupted = new AtomicBoolean();
    Thread producer =
        Thread.ofPlatform()
            .start(
                () -> {
                  for (int i = 0; i < 4; i++) {
                    writer.accept(line("line " + i));
                    accepted.countDown();
                  }
                  stillInterrupted.set(Thread.interrupted());
                });
    // One line is with the writer, perhaps a second of its batch, and one in the queue: the
    // producer must come to a halt before the fourth, and it is waiting, not running.
    Await.until("a halt", () -> producer.getState() == Thread.State.TIMED_WAITING);
    assertTrue(accepted.getCount() > 0);
    // Even an interrupted producer keeps its line, and stays interrupted.
    producer.interrupt();
    out.gate.countDown();
    assertTrue(accepted.await(30, TimeUnit.SECONDS));
    assertTrue(producer.join(Duration.ofSeconds(30)));
    writer.close();
    assertEquals("line 0\nline 1\nline 2\nline 3\n", out.bytes.toString(StandardCharsets.UTF_8));
  }

  @Test
  void closingADeadOutputIsBounded() throws Exception {
    var out = new Output(10, 1);
    var writer = new LogWriter(out, 10, 1 << 20);
    writer.accept(line("never written"));
    Thread closer = Thread.ofPlatform().start(writer::close);
    assertTrue(closer.join(Duration.ofSeconds(10)));
    assertEquals(0, out.bytes.size());
    // Nobody waits for a queue that nobody empties.
    for (int i = 0; i < 50; i++) {
      writer.accept(line("dropped"));
    }
    out.gate.countDown();
  }

  @Test
  void aBrokenOutputDoesNotStopTheProducers() throws Exception {
    var out = new Output(10, 0);
    out.broken = true;
    var writer = new LogWriter(out, 2, 1 << 20);
    Thread producer =
        Thread.ofPlatform()
            .start(() -> IntStream.range(0, 100).forEach(i -> writer.accept(line("x"))));
    assertTrue(producer.join(Duration.ofSeconds(30)));
    assertFalse(producer.isAlive());
    writer.close();
  }
}
