package io.ztunnel.dns;

import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import io.ztunnel.mesh.NamespacedHostname;
import java.util.List;

/**
 * Asks the control plane for services that a name may stand for, where not all of the mesh is known
 * in advance (on-demand mode).
 */
public interface ServiceDemand {
  /**
   * Asks for the services of these keys and, with each, for the workloads behind it. Called on the
   * loop for each question that the mesh has no answer to, so what was asked for lately should be
   * remembered, absence too.
   *
   * @return completes on the loop when the mesh shows what there is, or when it took too long; what
   *     it completes with does not matter. The caller waits for two seconds at most.
   */
  Future<Void> demand(EventLoop loop, List<NamespacedHostname> keys);

  /** A service is used: if it was asked for, it is not let go of soon. Called for each answer. */
  void touch(NamespacedHostname service);
}
