package io.ztunnel.proxy;

import io.netty.channel.EventLoop;
import io.ztunnel.mesh.NetworkAddress;

/** Asks the control plane for addresses that the mesh may not know yet. Called on event loops. */
@FunctionalInterface
public interface Discovery {
  /** The mesh is known as a whole: there is nothing to ask. */
  Discovery NOTHING = (loop, address, then) -> then.run();

  /**
   * Goes on once it is known, as far as it can be, what an address stands for.
   *
   * @param loop the calling loop, which goes on
   * @param then run once: within this call if nothing is to be asked, and in bounded time otherwise
   */
  void await(EventLoop loop, NetworkAddress address, Runnable then);
}
