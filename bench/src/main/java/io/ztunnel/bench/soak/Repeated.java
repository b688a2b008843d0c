package io.ztunnel.bench.soak;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * Does something over and over on a thread of its own, drawn from a seed. {@link #close} lets the
 * step that is under way come to its end; it fails if a step has failed.
 */
final class Repeated implements AutoCloseable {
  private static final Duration STOP_DEADLINE = Duration.ofMinutes(1);

  private final String name;
  private final Step step;
  private final Thread thread;
  private final AtomicReference<Throwable> failure = new AtomicReference<>();
  private volatile boolean over;

  /** What is done. */
  @FunctionalInterface
  interface Step {
    void take(Random random) throws IOException;
  }

  private Repeated(String name, long seed, Step step) {
    this.name = name;
    this.step = step;
    this.thread = Thread.ofPlatform().daemon().name(name).unstarted(() -> repeat(new Random(seed)));
  }

  static Repeated begin(String name, long seed, Step step) {
    Repeated repeated = new Repeated(name, seed, step);
    repeated.thread.start();
    return repeated;
  }

  private void repeat(Random random) {
    try {
      while (!over) {
        step.take(random);
      }
    } catch (IOException | RuntimeException | AssertionError e) {
      failure.set(e);
    }
  }

  /** Ends all of them, whatever one says. */
  static void closeAll(List<Repeated> all) throws IOException {
    @Nullable IOException failed = null;
    for (Repeated each : all) {
      try {
        each.close();
      } catch (IOException e) {
        if (failed == null) {
          failed = e;
        } else {
          failed.addSuppressed(e);
        }
      }
    }
    if (failed != null) {
      throw failed;
    }
  }

  @Override
  public void close() throws IOException {
    over = true;
    try {
      if (!thread.join(STOP_DEADLINE)) {
        throw new IOException("%s does not end within %s".formatted(name, STOP_DEADLINE));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while waiting for the end of " + name, e);
    }
    Throwable cause = failure.get();
    if (cause != null) {
      throw new IOException(name + " failed: " + cause, cause);
    }
  }
}
