package io.ztunnel.proxy;

import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import io.ztunnel.hbone.HboneFailure;
import io.ztunnel.hbone.PeerKey;
import io.ztunnel.mesh.Workload;
import io.ztunnel.routing.PodHealth;
import java.net.InetAddress;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * How a gateway is probed: as the connection that failed was made.
 *
 * @param proxy of the pod whose connection it was
 * @param health what that pod avoids
 * @param loop on which it is probed
 */
record GatewayProbe(PodProxy proxy, PodHealth health, EventLoop loop, PeerKey key, Workload gateway)
    implements RemoteGateways.Probe {
  @Override
  public void resolve(Runnable then) {
    proxy
        .context()
        .upstreams()
        .resolver()
        .resolve(loop, gateway.hostname())
        .addListener(
            (Future<List<InetAddress>> answer) -> {
              if (answer.isSuccess()) {
                proxy.onResolved(loop, health, gateway, answer.getNow());
              }
              then.run();
            });
  }

  @Override
  public void begin(Consumer<@Nullable HboneFailure> outcome) {
    proxy.pool(loop).probe(key, outcome);
  }
}
