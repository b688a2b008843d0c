package io.ztunnel.routing;

import io.ztunnel.mesh.Workload;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.Set;

/**
 * A connection that a local application opens. Immutable.
 *
 * @param source the local workload
 * @param sourceAddress where the connection comes from
 * @param target where the application wants to go, resolved
 * @param failed uids of the workloads that were dialled for it already, in vain
 */
public record OutboundCall(
    Workload source, InetAddress sourceAddress, InetSocketAddress target, Set<String> failed) {
  public OutboundCall {
    failed = Set.copyOf(failed);
  }

  /** One that nothing was tried for yet. */
  public OutboundCall(Workload source, InetAddress sourceAddress, InetSocketAddress target) {
    this(source, sourceAddress, target, Set.of());
  }
}
