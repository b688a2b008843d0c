package io.ztunnel.app;

import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.ztunnel.log.Log;
import io.ztunnel.mesh.WorkloadInfo;
import io.ztunnel.proxy.DrainMode;
import io.ztunnel.proxy.GatewayContext;
import io.ztunnel.proxy.PodProxy;
import io.ztunnel.proxy.ProxyContext;
import io.ztunnel.redirection.NetworkNamespace;
import io.ztunnel.redirection.SocketFactory;
import io.ztunnel.redirection.SocketSettings;
import io.ztunnel.redirection.Transport;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/**
 * The proxies in the daemon's own network namespace: of its own workload, of the one that it is
 * dedicated to, or the gateway's.
 *
 * <p>Belongs to the main thread, which starts and drains them.
 */
final class OwnProxies {
  private static final Log LOG = Log.target("ztunnel");
  private static final String LATE = "start: not done within";

  private final Config config;
  private final Transport transport;
  private final EventExecutor control;
  private final ProxyContext context;
  private final List<PodProxy> proxies = new ArrayList<>();

  OwnProxies(Config config, Transport transport, EventExecutor control, ProxyContext context) {
    this.config = config;
    this.transport = transport;
    this.control = control;
    this.context = context;
  }

  /** Starts the proxy of a workload; returns when it listens. */
  void start(WorkloadInfo info, PodProxy.Role role) throws StartException {
    start(
        switch (role) {
          case WORKLOAD, DNS -> DataPathSettings.sockets(config);
          case SELF, GATEWAY -> DataPathSettings.ownSockets(config);
        },
        sockets -> new PodProxy(control, context, sockets, info, role));
  }

  /** Starts the gateway, whose own workload this is; returns when it listens. */
  void startGateway(WorkloadInfo info, GatewayContext gateway) throws StartException {
    start(
        DataPathSettings.gatewaySockets(config),
        sockets -> PodProxy.gateway(control, context, sockets, info, gateway));
  }

  private void start(SocketSettings settings, Function<SocketFactory, PodProxy> maker)
      throws StartException {
    try {
      PodProxy proxy =
          maker.apply(new SocketFactory(transport, NetworkNamespace.current(), settings));
      proxies.add(proxy);
      Future<Future<Void>> begun = control.submit(proxy::start);
      Step.await(begun, LATE);
      Step.await(begun.getNow(), LATE);
    } catch (IOException | IllegalArgumentException e) {
      throw new StartException(e);
    }
  }

  /** Drains all of them gracefully; each future is done when nothing is left of its proxy. */
  List<Future<Void>> drain() {
    List<Future<Void>> drains = new ArrayList<>();
    for (PodProxy proxy : proxies) {
      Future<Future<Void>> begun = control.submit(() -> proxy.drain(DrainMode.GRACEFUL));
      if (begun.awaitUninterruptibly(Step.SECONDS, TimeUnit.SECONDS) && begun.isSuccess()) {
        drains.add(begun.getNow());
      } else {
        LOG.warn("a proxy of the daemon's own cannot be drained: " + begun.cause());
      }
    }
    return drains;
  }
}
