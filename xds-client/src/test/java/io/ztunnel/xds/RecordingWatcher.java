package io.ztunnel.xds;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.Executor;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;

/** Keeps what it gets as text; payloads that begin with "bad" are rejected. Any thread reads. */
final class RecordingWatcher implements ResourceWatcher {
  final Map<String, String> held = new ConcurrentSkipListMap<>();
  final AtomicInteger responses = new AtomicInteger();

  /** How many of the next batches cannot be applied. */
  final AtomicInteger failures = new AtomicInteger();

  /** Applies the batches. */
  volatile Executor applying = ForkJoinPool.commonPool();

  /** Says what is not needed without what is not asked for any more. */
  volatile UnaryOperator<Set<String>> released = names -> names;

  /** Done before each resource is taken. */
  volatile Runnable onPut = () -> {};

  @Override
  public Set<String> released(Set<String> names) {
    return released.apply(names);
  }

  @Override
  public ResourceBatch begin(long stream) {
    return new ResourceBatch() {
      private final List<Runnable> changes = new ArrayList<>();

      @Override
      public void put(Resource resource) throws ResourceException {
        onPut.run();
        String text = new String(resource.payload(), StandardCharsets.UTF_8);
        if (text.startsWith("bad")) {
          throw new ResourceException("payload: " + text + " (expected: a good one)");
        }
        String kept = text.length() > 100 ? text.substring(0, 100) : text;
        changes.add(() -> held.put(resource.name(), kept));
      }

      @Override
      public void remove(String name) {
        changes.add(() -> held.remove(name));
      }

      @Override
      public CompletionStage<Void> apply() {
        return CompletableFuture.runAsync(
            () -> {
              if (failures.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
                throw new DeliberateException();
              }
              changes.forEach(Runnable::run);
              responses.incrementAndGet();
            },
            applying);
      }
    };
  }

  /** A failure that a test planned. */
  static final class DeliberateException extends RuntimeException {
    private static final long serialVersionUID = 1;

    DeliberateException() {
      super("planned by the test");
    }
  }
}
