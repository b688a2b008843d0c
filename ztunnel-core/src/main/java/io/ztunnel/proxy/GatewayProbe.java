package io.ztunnel.proxy;

import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import io.ztunnel.hbone.HboneFailure;
import io.ztunnel.hbone.PeerKey;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.Workload;
import io.ztunnel.routing.OutboundCall;
import io.ztunnel.routing.PodHealth;
import io.ztunnel.routing.Route;
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
 * @param route of that connection
 * @param call the connection, as far as its target does not matter
 */
record GatewayProbe(
    PodProxy proxy,
    PodHealth health,
    EventLoop loop,
    PeerKey key,
    Route.DoubleHbone route,
    OutboundCall call)
    implements RemoteGateways.Probe {
  @Override
  public boolean isOutdated(MeshView view) {
    return proxy.router().isGatewayOtherwise(route, call, view);
  }

  @Override
  public void resolve(Runnable then) {
    Workload gateway = route.gateway().workload();
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
