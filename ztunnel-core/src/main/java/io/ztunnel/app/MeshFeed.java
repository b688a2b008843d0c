package io.ztunnel.app;

import io.netty.util.concurrent.EventExecutor;
import io.ztunnel.dns.ServiceDemand;
import io.ztunnel.mesh.MeshState;
import io.ztunnel.proxy.Discovery;
import io.ztunnel.telemetry.XdsTelemetry;
import io.ztunnel.xds.ControlPlaneChannels;
import io.ztunnel.xds.Subscription;
import io.ztunnel.xds.XdsClient;
import io.ztunnel.xds.XdsSettings;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Where the mesh comes from besides the local file: the control plane, or nowhere. Belongs to the
 * main thread.
 */
final class MeshFeed implements AutoCloseable {
  static final String ADDRESS = "type.googleapis.com/istio.workload.Address";
  static final String AUTHORIZATION = "type.googleapis.com/istio.security.Authorization";

  /** An application waits so long for its first connection to an address, if it must. */
  private static final Duration DEMAND_TIMEOUT = Duration.ofSeconds(5);

  private static final int MAX_DEMANDED = 20_000;

  private final @Nullable XdsClient client;

  /** Null: all there is, is known or comes by itself. */
  private final @Nullable OnDemandDiscovery demands;

  /**
   * A feed, not yet started.
   *
   * @param channels stays the caller's, who closes it after this
   */
  MeshFeed(
      Config config,
      MeshState mesh,
      EventExecutor control,
      ControlPlaneChannels channels,
      XdsTelemetry telemetry)
      throws StartException {
    boolean onDemand = config.xds().onDemand();
    URI address = config.xds().address();
    this.client =
        address == null
            ? null
            : new XdsClient(
                ControlPlaneSettings.xds(config, address),
                new XdsSettings(
                    NodeMetadata.node(config),
                    List.of(
                        new Subscription(
                            ADDRESS,
                            onDemand ? Subscription.Mode.ON_DEMAND : Subscription.Mode.WILDCARD,
                            new AddressWatcher(mesh, control, config.node().name())),
                        new Subscription(
                            AUTHORIZATION,
                            Subscription.Mode.WILDCARD,
                            new PolicyWatcher(mesh, control))),
                    DEMAND_TIMEOUT,
                    MAX_DEMANDED),
                channels,
                telemetry,
                System::nanoTime,
                new SplittableRandom());
    this.demands = client != null && onDemand ? new OnDemandDiscovery(mesh, client) : null;
  }

  /** Asks for what connections need and is not known. */
  Discovery discovery() {
    return demands == null ? Discovery.NOTHING : demands;
  }

  /** Asks for the services that names may stand for; null if all there are, are known anyway. */
  @Nullable ServiceDemand services() {
    return demands;
  }

  /** Connects; false if there is no control plane to wait for. */
  boolean start() {
    if (client == null) {
      return false;
    }
    client.start();
    return true;
  }

  @Override
  public void close() {
    if (client != null) {
      client.close();
    }
  }
}
