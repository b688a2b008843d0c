package io.ztunnel.app;

import java.math.BigDecimal;
import java.math.RoundingMode;
import org.jspecify.annotations.Nullable;

/** How many data-plane threads there are (Istio ztunnel: limits and requests of the pod decide). */
final class WorkerThreads {
  private static final int LEAST_WITHOUT_LIMIT = 2;

  private WorkerThreads() {}

  /**
   * The number, at least 1.
   *
   * @param concurrency the proxy config's, 0 for all processors, null if unset
   */
  static int count(Environment env, int processors, @Nullable Integer concurrency) {
    // Parsed even where another setting wins, so that a bad quantity is always reported.
    Integer limit = quantity(env, "ZTUNNEL_RESOURCE_CPU_LIMIT");
    Integer request = quantity(env, "ZTUNNEL_RESOURCE_CPU_REQUEST");
    int override = env.number("ZTUNNEL_CPU_LIMIT", processors, 0, 1 << 20);
    int cpus = limit == null ? override : limit;
    int automatic = automatic(cpus, limit, request);
    int fallback;
    if (concurrency == null) {
      fallback = automatic;
    } else {
      fallback = concurrency == 0 ? cpus : concurrency;
    }
    return Math.max(
        1, env.parsed("ZTUNNEL_WORKER_THREADS", fallback, value -> explicit(value, cpus)));
  }

  private static int automatic(int cpus, @Nullable Integer limit, @Nullable Integer request) {
    int floor = request == null ? 0 : request;
    if (limit != null) {
      return Math.max(limit, floor);
    }
    return Math.max(Math.max((cpus + 3) / 4, floor), LEAST_WITHOUT_LIMIT);
  }

  private static int explicit(String value, int cpus) {
    if (!value.endsWith("%")) {
      int threads = (int) Environment.wholeNumber(value, 0, 65_535);
      return threads == 0 ? cpus : threads;
    }
    BigDecimal percent;
    try {
      percent = new BigDecimal(value.substring(0, value.length() - 1));
    } catch (NumberFormatException _) {
      throw new IllegalArgumentException("expected: a number of threads or a percentage");
    }
    if (percent.signum() <= 0 || percent.compareTo(BigDecimal.valueOf(100)) > 0) {
      throw new IllegalArgumentException("percentage must be between 0 and 100");
    }
    return percent
        .multiply(BigDecimal.valueOf(cpus))
        .divide(BigDecimal.valueOf(100), 0, RoundingMode.CEILING)
        .max(BigDecimal.ONE)
        .intValueExact();
  }

  /** A CPU quantity of Kubernetes ({@code 2}, {@code 1.5}, {@code 500m}), rounded up. */
  private static @Nullable Integer quantity(Environment env, String name) {
    return env.text(name) == null ? null : env.parsed(name, 0, WorkerThreads::roundUp);
  }

  private static int roundUp(String value) {
    boolean milli = value.endsWith("m");
    BigDecimal cpus;
    try {
      cpus = new BigDecimal(milli ? value.substring(0, value.length() - 1) : value);
    } catch (NumberFormatException _) {
      throw new IllegalArgumentException("must be a positive CPU quantity");
    }
    if (cpus.signum() <= 0 || cpus.compareTo(BigDecimal.valueOf(1 << 20)) > 0) {
      throw new IllegalArgumentException("must be a positive CPU quantity");
    }
    return (milli ? cpus.movePointLeft(3) : cpus).setScale(0, RoundingMode.CEILING).intValueExact();
  }
}
