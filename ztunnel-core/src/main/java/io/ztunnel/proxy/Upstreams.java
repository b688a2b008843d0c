package io.ztunnel.proxy;

import io.ztunnel.mesh.MeshView;
import io.ztunnel.metrics.RemoteGatewayMetrics;
import io.ztunnel.routing.EndpointHealth;
import io.ztunnel.routing.Hop;
import io.ztunnel.routing.PodHealth;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.LongSupplier;
import java.util.function.Supplier;

/**
 * What the proxies of the process know together about where they connect to. Each part is
 * thread-safe.
 *
 * @param resolver host names of workloads
 * @param health endpoints that failed lately
 * @param gateways gateways of other networks
 */
public record Upstreams(HostResolver resolver, EndpointHealth health, RemoteGateways gateways) {
  /** A start without memories. */
  public static Upstreams create(
      HostResolver resolver,
      RemoteGatewayMetrics metrics,
      Supplier<MeshView> mesh,
      LongSupplier nanoClock) {
    EndpointHealth health = new EndpointHealth(EndpointHealth.DEFAULT_CAPACITY, nanoClock);
    return new Upstreams(
        resolver, health, new RemoteGateways(metrics, mesh, ThreadLocalRandom::current));
  }

  /** A tunnel or connection of the pod to it stands. */
  void succeeded(PodHealth pod, Hop hop) {
    answered(pod, hop);
    pod.succeeded(Hop.key(hop.workload().uid(), hop.application()));
    hop.applicationKeys().forEach(pod::succeeded);
    gateways.succeeded(pod, hop);
  }

  /** It has answered the pod, whatever it said of what was asked for there. */
  void answered(PodHealth pod, Hop hop) {
    pod.succeeded(hop.workload().uid()); // its name may have had no address
    hop.keys().forEach(pod::succeeded);
  }
}
