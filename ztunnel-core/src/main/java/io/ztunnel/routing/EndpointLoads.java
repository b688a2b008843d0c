package io.ztunnel.routing;

import java.util.IntSummaryStatistics;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * How many tunnels a gateway has open to each endpoint, by workload uid. Any thread; only endpoints
 * with a tunnel are kept.
 */
public final class EndpointLoads {
  private final Map<String, Integer> open = new ConcurrentHashMap<>();

  /** A tunnel goes to the workload of this uid from now on, or is about to. */
  public void opened(String workloadUid) {
    open.merge(workloadUid, 1, Integer::sum);
  }

  /** A tunnel that was opened is over. */
  public void closed(String workloadUid) {
    open.computeIfPresent(workloadUid, (_, tunnels) -> tunnels == 1 ? null : tunnels - 1);
  }

  /** The tunnels to the workload of this uid. */
  public int of(String workloadUid) {
    return open.getOrDefault(workloadUid, 0);
  }

  /** The numbers of tunnels of all endpoints that have one; a pass over them. */
  public IntSummaryStatistics summary() {
    return open.values().stream().mapToInt(Integer::intValue).summaryStatistics();
  }
}
