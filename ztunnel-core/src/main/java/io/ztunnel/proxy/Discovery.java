package io.ztunnel.proxy;

import io.netty.channel.EventLoop;
import io.ztunnel.mesh.GatewayAddress;
import io.ztunnel.mesh.NamespacedHostname;
import io.ztunnel.mesh.NetworkAddress;
import java.util.LinkedHashSet;
import java.util.Set;

/**
 * Asks the control plane for what the mesh may not know yet. Called on event loops: the calling
 * loop goes on, once, within the call if nothing is to be asked, and in bounded time otherwise.
 */
public interface Discovery {
  /** The mesh is known as a whole: there is nothing to ask. */
  Discovery NOTHING =
      new Discovery() {
        @Override
        public boolean isNeeded() {
          return false;
        }

        @Override
        public void await(EventLoop loop, NetworkAddress address, Runnable then) {
          then.run();
        }

        @Override
        public void await(EventLoop loop, NamespacedHostname service, Runnable then) {
          then.run();
        }

        @Override
        public Set<GatewayAddress.Destination> unknown(Set<GatewayAddress.Destination> gateways) {
          return new LinkedHashSet<>();
        }

        @Override
        public void await(EventLoop loop, Set<GatewayAddress.Destination> gateways, Runnable then) {
          then.run();
        }
      };

  /** Whether there may be anything to ask. */
  default boolean isNeeded() {
    return true;
  }

  /** Goes on once it is known, as far as it can be, what an address stands for. */
  void await(EventLoop loop, NetworkAddress address, Runnable then);

  /** Goes on once a service is known, as far as it can be. */
  void await(EventLoop loop, NamespacedHostname service, Runnable then);

  /**
   * Those of these waypoints and gateways that are to be asked for; the others count as used. A new
   * set.
   */
  Set<GatewayAddress.Destination> unknown(Set<GatewayAddress.Destination> gateways);

  /** Goes on once these waypoints and gateways are known, as far as they can be. */
  void await(EventLoop loop, Set<GatewayAddress.Destination> gateways, Runnable then);
}
