package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class RetryBudgetTest {
  private final AtomicLong nanos = new AtomicLong(5);
  private final RetryBudget budget = new RetryBudget(nanos::get);

  private int retriesUntilRefused() {
    int retries = 0;
    while (retries < 10_000 && budget.tryRetry()) {
      retries++;
    }
    return retries;
  }

  @Test
  void allowsABurstThenTenASecond() {
    assertEquals(1000, retriesUntilRefused());
    nanos.addAndGet(TimeUnit.SECONDS.toNanos(1));
    assertEquals(10, retriesUntilRefused());
    nanos.addAndGet(TimeUnit.MILLISECONDS.toNanos(150));
    assertEquals(1, retriesUntilRefused());
    nanos.addAndGet(TimeUnit.MILLISECONDS.toNanos(50));
    assertEquals(1, retriesUntilRefused());
  }

  @Test
  void aFifthOfTheConnectionsMayBeRetried() {
    retriesUntilRefused();
    for (int i = 0; i < 50; i++) {
      budget.onConnection();
    }
    assertEquals(10, retriesUntilRefused());
  }

  @Test
  void savesNoMoreThanItsCap() {
    nanos.addAndGet(TimeUnit.HOURS.toNanos(1));
    assertEquals(1000, retriesUntilRefused());
  }
}
