package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.mesh.ServiceName;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class ServiceRetriesTest {
  private final AtomicLong nanos = new AtomicLong();
  private final ServiceRetries retries = new ServiceRetries(nanos::get);

  private static ServiceName service(int number) {
    return new ServiceName("s" + number, "shop", "s%d.shop.svc".formatted(number));
  }

  @Test
  void aServiceThatFailsLeavesTheOthersTheirRetries() {
    while (retries.of(service(0)).tryRetry()) {}
    assertTrue(retries.of(service(1)).tryRetry());
    assertFalse(retries.of(service(0)).tryRetry());
  }

  @Test
  void thoseThatWereNotUsedLatelyAreNotKeptForEver() {
    while (retries.of(service(0)).tryRetry()) {}
    for (int i = 1; i <= 3 * ServiceRetries.MANY; i++) {
      boolean _ = retries.of(service(i)).tryRetry();
      nanos.addAndGet(TimeUnit.MILLISECONDS.toNanos(1));
    }
    assertTrue(retries.size() <= ServiceRetries.MANY, () -> "kept: " + retries.size());
    RetryBudget failing = retries.of(service(0));
    assertTrue(failing.tryRetry());
    assertFalse(failing.isFull(), "it is remembered");
  }
}
