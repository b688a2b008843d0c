package io.ztunnel.app;

import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.netty.util.concurrent.PromiseCombiner;
import io.ztunnel.dns.ServiceDemand;
import io.ztunnel.log.Log;
import io.ztunnel.log.LogLevel;
import io.ztunnel.mesh.Addressable;
import io.ztunnel.mesh.GatewayAddress;
import io.ztunnel.mesh.MeshState;
import io.ztunnel.mesh.NamespacedHostname;
import io.ztunnel.mesh.NetworkAddress;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.Workload;
import io.ztunnel.proxy.Discovery;
import io.ztunnel.xds.DemandOutcome;
import io.ztunnel.xds.XdsClient;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.RejectedExecutionException;

/**
 * Asks for addresses and services when they are first needed ({@code XDS_ON_DEMAND}). Any event
 * loop.
 */
record OnDemandDiscovery(MeshState mesh, XdsClient client) implements Discovery, ServiceDemand {
  private static final Log LOG = Log.target("ztunnel::xds");

  @Override
  public void await(EventLoop loop, NetworkAddress address, Runnable then) {
    await(loop, "address", address.toString(), isKnown(address), then);
  }

  /** Whether it is; then it counts as used, by whatever name it was asked for. */
  private boolean isKnown(GatewayAddress.Destination destination) {
    Addressable known = mesh.view().find(destination, null);
    switch (known) {
      case Service service -> touch(service.key());
      case Workload workload -> client.touch(MeshFeed.ADDRESS, workload.uid());
      case null -> {
        return false;
      }
    }
    client.touch(MeshFeed.ADDRESS, destination.toString());
    return true;
  }

  @Override
  public void await(EventLoop loop, NamespacedHostname service, Runnable then) {
    await(loop, "service", service.toString(), isKnown(service), then);
  }

  private void await(EventLoop loop, String field, String key, boolean isKnown, Runnable then) {
    if (isKnown) {
      then.run();
    } else {
      ask(loop, field, key, then);
    }
  }

  private void ask(EventLoop loop, String field, String key, Runnable then) {
    client.demand(
        MeshFeed.ADDRESS,
        key,
        outcome -> {
          report(field, key, outcome);
          resume(loop, key, then);
        });
  }

  @Override
  public Set<GatewayAddress.Destination> unknown(Set<GatewayAddress.Destination> gateways) {
    Set<GatewayAddress.Destination> unknown = new LinkedHashSet<>(gateways);
    unknown.removeIf(this::isKnown);
    return unknown;
  }

  @Override
  public void await(EventLoop loop, Set<GatewayAddress.Destination> gateways, Runnable then) {
    demandAll(loop, "gateway", gateways).addListener(_ -> then.run());
  }

  @Override
  public Future<Void> demand(EventLoop loop, List<NamespacedHostname> keys) {
    return demandAll(loop, "service", keys);
  }

  private Future<Void> demandAll(EventLoop loop, String field, Collection<?> keys) {
    var combiner = new PromiseCombiner(loop);
    for (Object key : keys) {
      Promise<Void> answered = loop.newPromise();
      ask(loop, field, key.toString(), () -> answered.trySuccess(null));
      combiner.add((Future<Void>) answered);
    }
    Promise<Void> all = loop.newPromise();
    combiner.finish(all);
    return all;
  }

  @Override
  public void touch(NamespacedHostname service) {
    client.touch(MeshFeed.ADDRESS, service.toString());
  }

  private static void report(String field, String key, DemandOutcome outcome) {
    if (outcome != DemandOutcome.ANSWERED) {
      LOG.at(LogLevel.WARN, "going on without an answer of the control plane")
          .string(field, key)
          .display("outcome", outcome)
          .log();
    }
  }

  private static void resume(EventLoop loop, String key, Runnable then) {
    try {
      loop.execute(then);
    } catch (RejectedExecutionException _) {
      LOG.debug("who asked for " + key + " is gone with its loop");
    }
  }
}
