package io.ztunnel.log;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * A queue of lines, bounded in lines and bytes, and the one thread that writes them. A producer
 * waits while the queue is full: back-pressure, so that no line is lost. Any thread may produce;
 * the thread {@code log-writer} alone writes.
 */
final class LogWriter implements LineSink, AutoCloseable {
  static final int QUEUE_LINES = 10_000;

  /** Lines of the usual length fill the queue before they do this. */
  static final int QUEUE_BYTES = 8 << 20;

  private static final int BATCH_LINES = 64;
  private static final Duration STOP_MARKER_WAIT = Duration.ofMillis(100);
  private static final Duration LAST_LINES_WAIT = Duration.ofSeconds(1);
  // After a small batch the writer pauses, so that under load producers find it awake or about to
  // wake by itself, and need not wake it for every line.
  private static final long PAUSE_NANOS = 5_000_000;
  private static final long FULL_QUEUE_CHECK_MILLIS = 500;

  // Compared by identity.
  private static final byte[] STOP = new byte[0];

  private final BlockingQueue<byte[]> queue;
  private final int queueBytes;
  private final Semaphore room;
  private final WritableByteChannel out;
  private final Thread thread;
  // Owned by the writer thread.
  private final ByteBuffer batch = ByteBuffer.allocateDirect(64 << 10);
  // Set by close or when the output is gone, read by producers: nobody empties the queue any more.
  private volatile boolean stopped;

  /** Writes to the channel from now on. */
  LogWriter(WritableByteChannel out, int queueLines, int queueBytes) {
    this.out = out;
    this.queue = new ArrayBlockingQueue<>(queueLines);
    this.queueBytes = queueBytes;
    this.room = new Semaphore(queueBytes);
    this.thread = Thread.ofPlatform().name("log-writer").daemon().unstarted(this::run);
    thread.start();
  }

  @Override
  public void accept(byte[] line) {
    boolean interrupted = false;
    boolean hasRoom = false;
    while (!stopped) {
      try {
        hasRoom =
            hasRoom || room.tryAcquire(size(line), FULL_QUEUE_CHECK_MILLIS, TimeUnit.MILLISECONDS);
        if (hasRoom && queue.offer(line, FULL_QUEUE_CHECK_MILLIS, TimeUnit.MILLISECONDS)) {
          break;
        }
      } catch (InterruptedException _) {
        interrupted = true; // the line comes first
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /** What it takes of the queue; all of it if it is longer. */
  private int size(byte[] line) {
    return Math.min(line.length, queueBytes);
  }

  /** Waits a bounded time until the lines before this call are written; later ones are dropped. */
  @Override
  public void close() {
    boolean interrupted = Thread.interrupted();
    try {
      if (!stopped && queue.offer(STOP, STOP_MARKER_WAIT.toMillis(), TimeUnit.MILLISECONDS)) {
        thread.join(LAST_LINES_WAIT);
      }
    } catch (InterruptedException _) {
      interrupted = true;
    }
    stopped = true;
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private void run() {
    var lines = new ArrayList<byte[]>(BATCH_LINES);
    try {
      while (true) {
        lines.clear();
        lines.add(queue.take());
        queue.drainTo(lines, BATCH_LINES - 1);
        boolean last = lines.contains(STOP);
        write(lines);
        room.release(lines.stream().mapToInt(this::size).sum());
        if (last) {
          return;
        }
        if (lines.size() < BATCH_LINES) {
          LockSupport.parkNanos(PAUSE_NANOS);
        }
      }
    } catch (InterruptedException e) {
      throw new IllegalStateException("log-writer: interrupted (expected: the stop marker)", e);
    } catch (IOException _) {
      // Standard output is gone, and with it the place to say so. The daemon goes on without a log.
    } finally {
      stopped = true;
      queue.clear();
    }
  }

  private void write(List<byte[]> lines) throws IOException {
    for (byte[] line : lines) {
      int from = 0;
      while (from < line.length) {
        int part = Math.min(batch.remaining(), line.length - from);
        batch.put(line, from, part);
        from += part;
        if (!batch.hasRemaining()) {
          writeBatch();
        }
      }
    }
    writeBatch();
  }

  private void writeBatch() throws IOException {
    batch.flip();
    while (batch.hasRemaining()) {
      if (out.write(batch) == 0) {
        LockSupport.parkNanos(PAUSE_NANOS); // a full non-blocking pipe
      }
    }
    batch.clear();
  }
}
