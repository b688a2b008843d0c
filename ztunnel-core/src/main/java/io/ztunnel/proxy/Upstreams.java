package io.ztunnel.proxy;

import io.ztunnel.routing.EndpointHealth;
import java.util.function.LongSupplier;

/**
 * What the proxies of the process know together about where they connect to. Each part is
 * thread-safe.
 *
 * @param resolver host names of workloads
 * @param health endpoints that failed lately
 * @param retries how many connections may be tried again
 */
public record Upstreams(HostResolver resolver, EndpointHealth health, RetryBudget retries) {
  /** A start without memories. */
  public static Upstreams create(HostResolver resolver, LongSupplier nanoClock) {
    return new Upstreams(
        resolver,
        new EndpointHealth(EndpointHealth.DEFAULT_CAPACITY, nanoClock),
        new RetryBudget(nanoClock));
  }
}
