package io.ztunnel.routing;

import io.ztunnel.mesh.NamespacedHostname;
import java.util.IntSummaryStatistics;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * How many tunnels a gateway has open to each endpoint of each service. A pod that serves two
 * services counts for each by itself, as in Envoy: else the kept tunnels of one service would drive
 * the other one's connections away from it. Any thread; only endpoints with a tunnel are kept.
 *
 * <p>Those of one client's connection are counted by themselves, too ({@link #ofConnection}).
 */
public final class EndpointLoads {
  /**
   * An endpoint as one service sees it. Immutable.
   *
   * @param endpoint the uid of the workload, or an address that the mesh does not know
   */
  public record Key(NamespacedHostname service, String endpoint) {}

  private final Map<Key, Integer> open = new ConcurrentHashMap<>();

  /** The gateway's, among which these are; null: these are all. */
  private final @Nullable EndpointLoads all;

  /** All loads of a gateway; none yet. */
  public EndpointLoads() {
    this(null);
  }

  private EndpointLoads(@Nullable EndpointLoads all) {
    this.all = all;
  }

  /** Loads of one connection of a client, none yet; what is counted here counts there, too. */
  public EndpointLoads ofConnection() {
    return new EndpointLoads(this);
  }

  /** A tunnel goes to this endpoint from now on, or is about to. */
  public void opened(Key endpoint) {
    open.merge(endpoint, 1, Integer::sum);
    if (all != null) {
      all.opened(endpoint);
    }
  }

  /** A tunnel that was opened is over. */
  public void closed(Key endpoint) {
    open.computeIfPresent(endpoint, (_, tunnels) -> tunnels == 1 ? null : tunnels - 1);
    if (all != null) {
      all.closed(endpoint);
    }
  }

  /** The tunnels to this endpoint. */
  public int of(Key endpoint) {
    return open.getOrDefault(endpoint, 0);
  }

  /** The numbers of tunnels of all endpoints that have one; a pass over them. */
  public IntSummaryStatistics summary() {
    return open.values().stream().mapToInt(Integer::intValue).summaryStatistics();
  }
}
