package io.ztunnel.proxy;

import io.netty.channel.EventLoop;
import io.ztunnel.mesh.GatewayAddress;
import io.ztunnel.mesh.NamespacedHostname;
import io.ztunnel.mesh.NetworkAddress;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

/**
 * One pod's share of what may be asked of the control plane at a time. Who has used it up goes on
 * with what is known, so that the connections of other pods find room to ask. Any event loop.
 */
final class PodDiscovery implements Discovery {
  /** A tenth of what the process may have waiting. */
  static final int SHARE = 1_000;

  private final Discovery all;
  private final AtomicInteger waiting = new AtomicInteger();

  private PodDiscovery(Discovery all) {
    this.all = all;
  }

  /** The share of a pod; the whole if there is nothing to ask. */
  static Discovery of(Discovery all) {
    return all.isNeeded() ? new PodDiscovery(all) : all;
  }

  @Override
  public void await(EventLoop loop, NetworkAddress address, Runnable then) {
    share(then, counted -> all.await(loop, address, counted));
  }

  @Override
  public void await(EventLoop loop, NamespacedHostname service, Runnable then) {
    share(then, counted -> all.await(loop, service, counted));
  }

  @Override
  public Set<GatewayAddress.Destination> unknown(Set<GatewayAddress.Destination> gateways) {
    return all.unknown(gateways);
  }

  @Override
  public void await(EventLoop loop, Set<GatewayAddress.Destination> gateways, Runnable then) {
    share(then, counted -> all.await(loop, gateways, counted));
  }

  private void share(Runnable then, Consumer<Runnable> ask) {
    if (waiting.incrementAndGet() > SHARE) {
      waiting.decrementAndGet();
      then.run();
      return;
    }
    ask.accept(
        () -> {
          waiting.decrementAndGet();
          then.run();
        });
  }
}
