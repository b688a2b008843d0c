package io.ztunnel.bench.scale;

import io.ztunnel.redirection.NetworkNamespace;
import java.io.EOFException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.HdrHistogram.Histogram;

/**
 * Opens connections at a steady rate, has one byte echoed on each, and closes them. Several threads
 * take turns, so that one slow connection does not keep the others from being made; if all of them
 * are slow, the time counts from when the next connection should have begun.
 *
 * <p>{@link #take} may come from any thread.
 */
final class ConnectionProbe implements AutoCloseable {
  private static final int THREADS = 16;
  private static final Duration DEADLINE = Duration.ofSeconds(10);
  private static final long MAX_MICROS = TimeUnit.SECONDS.toMicros(60);
  private static final int DIGITS = 3;

  private final NetworkNamespace from;
  private final InetSocketAddress to;
  private final long turnNanos;
  private final List<Thread> threads = new ArrayList<>();
  private volatile boolean closing;

  // Guarded by this.
  private Histogram micros = newHistogram();
  private long failures;

  /**
   * Starts.
   *
   * @param from where the client is; stays the caller's, who closes it after this
   * @param to an echo server
   */
  ConnectionProbe(NetworkNamespace from, InetSocketAddress to, int perSecond) {
    this.from = from;
    this.to = to;
    this.turnNanos = TimeUnit.SECONDS.toNanos(THREADS) / perSecond;
    long begin = System.nanoTime();
    for (int i = 0; i < THREADS; i++) {
      long first = begin + turnNanos * i / THREADS;
      threads.add(Thread.ofPlatform().name("probe-" + i).daemon().start(() -> run(first)));
    }
  }

  private static Histogram newHistogram() {
    return new Histogram(MAX_MICROS, DIGITS);
  }

  /** What was measured since the last call. */
  synchronized Latency take() {
    Latency taken = Latency.of(micros, failures);
    micros = newHistogram();
    failures = 0;
    return taken;
  }

  private void run(long first) {
    for (long turn = first; !closing; turn += turnNanos) {
      boolean late = System.nanoTime() > turn;
      while (System.nanoTime() < turn && !closing) {
        LockSupport.parkNanos(turn - System.nanoTime());
      }
      connect(late ? turn : 0);
    }
  }

  /**
   * Makes one connection.
   *
   * @param due when it should have begun; 0: now
   */
  private void connect(long due) {
    try (SocketChannel channel = from.call(SocketChannel::open)) {
      long begin = due == 0 ? System.nanoTime() : due;
      int timeoutMillis = (int) DEADLINE.toMillis();
      Socket socket = channel.socket();
      socket.connect(to, timeoutMillis);
      socket.setSoTimeout(timeoutMillis);
      socket.setTcpNoDelay(true);
      socket.getOutputStream().write('x');
      if (socket.getInputStream().read() < 0) {
        throw new EOFException("closed before the echo (expected: one byte)");
      }
      record(TimeUnit.NANOSECONDS.toMicros(System.nanoTime() - begin));
    } catch (IOException e) {
      fail();
    }
  }

  private synchronized void record(long took) {
    micros.recordValue(Math.min(took, MAX_MICROS));
  }

  private synchronized void fail() {
    failures++;
  }

  @Override
  public void close() {
    closing = true;
    threads.forEach(LockSupport::unpark);
    try {
      for (Thread thread : threads) {
        thread.join(DEADLINE.multipliedBy(2));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
