package io.ztunnel.proxy;

import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;

/**
 * How many connections of a pod, or at a gateway to a service, may be tried on another endpoint: a
 * fifth of those made, and ten a second in any case. It keeps retries from multiplying the load
 * when everything fails. Each has its own, so that one all of whose connections fail leaves the
 * others theirs.
 *
 * <p>Thread-safe; written by event loops.
 */
final class RetryBudget {
  /** What one retry costs, in the unit of the account. */
  private static final long COST = 10;

  private static final long DEPOSIT_PER_CONNECTION = 2;
  private static final long NANOS_PER_COST = 100_000_000; // ten retries a second

  /** The most that can be saved: as many as wait for answers when the tunnels to a node break. */
  private static final long CAP = 1000 * COST;

  private final LongSupplier nanoClock;
  private final AtomicLong balance = new AtomicLong(CAP);
  private final AtomicLong lastRefillNanos;

  RetryBudget(LongSupplier nanoClock) {
    this.nanoClock = nanoClock;
    this.lastRefillNanos = new AtomicLong(nanoClock.getAsLong());
  }

  void onConnection() {
    deposit(DEPOSIT_PER_CONNECTION);
  }

  /** Whether a retry may be made now; takes its cost if so. */
  boolean tryRetry() {
    refill();
    long before = balance.getAndUpdate(value -> value >= COST ? value - COST : value);
    return before >= COST;
  }

  /** Whether it is as if it had never been used. */
  boolean isFull() {
    refill();
    return balance.get() == CAP;
  }

  private void refill() {
    long now = nanoClock.getAsLong();
    long last = lastRefillNanos.get();
    long retries = (now - last) / NANOS_PER_COST;
    if (retries > 0 && lastRefillNanos.compareAndSet(last, last + retries * NANOS_PER_COST)) {
      deposit(retries * COST);
    }
  }

  private void deposit(long amount) {
    balance.getAndUpdate(value -> Math.min(CAP, value + amount));
  }
}
