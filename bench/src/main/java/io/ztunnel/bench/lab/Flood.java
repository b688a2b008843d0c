package io.ztunnel.bench.lab;

import java.io.IOException;
import java.io.OutputStream;
import java.net.Socket;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;

/** Bytes that are sent for as long as somebody takes them, on any number of connections. */
public final class Flood {
  private static final int PIECE_BYTES = 64 << 10;
  private static final Duration DEADLINE = Duration.ofSeconds(20);

  /** What has not grown for so long does not grow. */
  private static final Duration STALLED_FOR = Duration.ofMillis(400);

  private final AtomicLong sent = new AtomicLong();

  /** Sends until the connection is closed, which it fails with. */
  public void pour(Socket connection) throws IOException {
    byte[] piece = new byte[PIECE_BYTES];
    OutputStream out = connection.getOutputStream();
    while (true) {
      out.write(piece);
      sent.addAndGet(piece.length);
    }
  }

  /** As above, on a thread of its own, until the connection is closed. */
  public void pourMeanwhile(Socket connection) {
    Thread.ofVirtual()
        .start(
            () -> {
              try {
                pour(connection);
              } catch (IOException e) {
                // closed at the end
              }
            });
  }

  /** How much was taken so far, on all connections. */
  public long sent() {
    return sent.get();
  }

  /** Waits until nothing moves any more: every buffer on the way is full. */
  public void awaitStall() throws IOException {
    long end = System.nanoTime() + DEADLINE.toNanos();
    long before = -1;
    for (long now = sent(); now == 0 || now != before; now = sent()) {
      if (System.nanoTime() > end) {
        throw new IOException(
            now == 0 ? "nothing is taken" : "bytes are taken that nobody reads: " + now);
      }
      before = now;
      Pause.of(STALLED_FOR);
    }
  }
}
