package io.ztunnel.bench.lab;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.time.Duration;

/** Waiting between two looks at something that another process changes. */
public final class Pause {
  private Pause() {}

  /**
   * Sleeps.
   *
   * @throws InterruptedIOException if the thread is told to end
   */
  public static void of(Duration duration) throws IOException {
    try {
      Thread.sleep(duration);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted while waiting");
    }
  }
}
