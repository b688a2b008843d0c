package io.ztunnel.proxy;

import io.ztunnel.mesh.ServiceName;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.LongSupplier;

/**
 * The retries of a gateway: each service has its own, so that one whose pods fail leaves the others
 * theirs, whoever calls it. Thread-safe; services that have saved all they can are not kept when
 * there are many.
 */
public final class ServiceRetries {
  static final int MANY = 1_000;

  private final LongSupplier nanoClock;
  private final Map<ServiceName, RetryBudget> budgets = new ConcurrentHashMap<>();

  public ServiceRetries(LongSupplier nanoClock) {
    this.nanoClock = nanoClock;
  }

  RetryBudget of(ServiceName service) {
    RetryBudget known = budgets.get(service);
    if (known != null) {
      return known;
    }
    if (budgets.size() >= MANY) {
      budgets.values().removeIf(RetryBudget::isFull);
    }
    return budgets.computeIfAbsent(service, _ -> new RetryBudget(nanoClock));
  }

  int size() {
    return budgets.size();
  }
}
