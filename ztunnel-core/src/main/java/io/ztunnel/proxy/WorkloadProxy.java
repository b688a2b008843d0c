package io.ztunnel.proxy;

import io.netty.util.concurrent.Future;
import java.util.List;

/**
 * The proxy of one workload, from its listeners to its last connection. Confined to the control
 * thread.
 */
public interface WorkloadProxy {
  /** Binds the listeners. On failure nothing is left behind, and the message says which and why. */
  Future<Void> start();

  /**
   * Ends it; a second call may only make it quicker. Completes when nothing is left, in bounded
   * time.
   */
  Future<Void> drain(DrainMode mode);

  /** What it carries now. Callable from any thread. */
  List<ConnectionSummary> connections();
}
