package io.ztunnel.hbone;

import io.netty.buffer.PooledByteBufAllocator;
import io.netty.util.ResourceLeakDetector;
import io.netty.util.ResourceLeakDetectorFactory;
import io.netty.util.ResourceLeakTracker;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Fails a test after which a buffer was collected that nobody had released. Found by JUnit itself,
 * for every test of the module; needs Netty's leak detection at its paranoid level.
 */
public final class LeakExtension implements BeforeAllCallback, AfterEachCallback {
  private static final Queue<String> LEAKS = new ConcurrentLinkedQueue<>();
  private static final AtomicLong TRACKED = new AtomicLong();

  static {
    // Before any buffer class is loaded: each asks for its detector once.
    ResourceLeakDetectorFactory.setResourceLeakDetectorFactory(new Factory());
  }

  private long trackedBefore;

  @Override
  public void beforeAll(ExtensionContext context) {
    trackedBefore = TRACKED.get();
  }

  @Override
  public void afterEach(ExtensionContext context) {
    if (TRACKED.get() == trackedBefore) {
      return; // the test used no buffer: spare it the collection
    }
    System.gc();
    // The detector looks at what was collected when it is asked to track the next one.
    for (int i = 0; i < 4; i++) {
      PooledByteBufAllocator.DEFAULT.directBuffer(1).release();
    }
    trackedBefore = TRACKED.get();
    List<String> found = new ArrayList<>();
    for (String leak = LEAKS.poll(); leak != null; leak = LEAKS.poll()) {
      found.add(leak);
    }
    if (!found.isEmpty()) {
      throw new AssertionError("leaked: " + found);
    }
  }

  private static final class Factory extends ResourceLeakDetectorFactory {
    @Override
    @SuppressWarnings("deprecation") // the factory's only abstract method
    public <T> ResourceLeakDetector<T> newResourceLeakDetector(
        Class<T> resource, int samplingInterval, long maxActive) {
      return new Collecting<>(resource, samplingInterval);
    }
  }

  private static final class Collecting<T> extends ResourceLeakDetector<T> {
    Collecting(Class<T> resource, int samplingInterval) {
      super(resource, samplingInterval);
    }

    @Override
    public @Nullable ResourceLeakTracker<T> track(T resource) {
      TRACKED.incrementAndGet();
      return super.track(resource);
    }

    @Override
    protected boolean needReport() {
      return true;
    }

    @Override
    protected void reportTracedLeak(String resourceType, String records) {
      LEAKS.add(resourceType + " " + records);
    }

    @Override
    protected void reportUntracedLeak(String resourceType) {
      LEAKS.add(resourceType);
    }
  }
}
