package io.ztunnel.app;

import io.netty.channel.EventLoop;
import io.ztunnel.log.Log;
import io.ztunnel.log.LogLevel;
import io.ztunnel.mesh.MeshState;
import io.ztunnel.mesh.NetworkAddress;
import io.ztunnel.proxy.Discovery;
import io.ztunnel.xds.DemandOutcome;
import io.ztunnel.xds.XdsClient;
import java.util.concurrent.RejectedExecutionException;

/** Asks for addresses when they are first needed ({@code XDS_ON_DEMAND}). Any event loop. */
record OnDemandDiscovery(MeshState mesh, XdsClient client) implements Discovery {
  private static final Log LOG = Log.target("ztunnel::xds");

  @Override
  public void await(EventLoop loop, NetworkAddress address, Runnable then) {
    String key = address.toString();
    if (mesh.view().find(address, null) != null) {
      client.touch(MeshFeed.ADDRESS, key);
      then.run();
      return;
    }
    client.demand(
        MeshFeed.ADDRESS,
        key,
        outcome -> {
          if (outcome != DemandOutcome.ANSWERED) {
            LOG.at(LogLevel.WARN, "going on without an answer of the control plane")
                .string("address", key)
                .display("outcome", outcome)
                .log();
          }
          try {
            loop.execute(then);
          } catch (RejectedExecutionException _) {
            LOG.debug("the connection that asked for " + key + " is gone with its loop");
          }
        });
  }
}
