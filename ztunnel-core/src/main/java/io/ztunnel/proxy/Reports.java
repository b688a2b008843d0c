package io.ztunnel.proxy;

import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.mesh.Locality;
import io.ztunnel.mesh.ServiceName;
import io.ztunnel.mesh.Workload;
import io.ztunnel.metrics.Reporter;
import io.ztunnel.metrics.TrafficLabels;
import io.ztunnel.metrics.TrafficLabels.SecurityPolicy;
import io.ztunnel.telemetry.ConnectionFacts;
import java.net.InetSocketAddress;
import org.jspecify.annotations.Nullable;

/** How connections are named in metrics and in the access log (Istio). Stateless. */
final class Reports {
  private Reports() {}

  /** A connection that left for a plain TCP destination. */
  static ConnectionFacts plainOutbound(
      Workload local,
      InetSocketAddress source,
      InetSocketAddress address,
      @Nullable Workload destination,
      @Nullable ServiceName service) {
    return new ConnectionFacts(
        new TrafficLabels(
            Reporter.SOURCE,
            peer(local, ""),
            serviceName(service),
            destinationPeer(destination),
            SecurityPolicy.UNKNOWN,
            locality(local, destination)),
        source,
        local.name(),
        address,
        "",
        destination == null ? "" : destination.name());
  }

  /** A connection that left through a tunnel. */
  static ConnectionFacts tunnelledOutbound(
      Workload local,
      InetSocketAddress source,
      InetSocketAddress address,
      String authority,
      Workload destination,
      @Nullable ServiceName service) {
    return new ConnectionFacts(
        new TrafficLabels(
            Reporter.SOURCE,
            peer(local, local.identity().toString()),
            serviceName(service),
            destinationPeer(destination),
            SecurityPolicy.MUTUAL_TLS,
            locality(local, destination)),
        source,
        local.name(),
        address,
        authority,
        destination.name());
  }

  /**
   * A connection that left through a gateway of another network, to a peer that is not in the mesh
   * as we know it.
   *
   * @param said what the peer's baggage says of it
   */
  static ConnectionFacts nestedOutbound(
      Workload local,
      InetSocketAddress source,
      InetSocketAddress gateway,
      String authority,
      PeerMetadata said,
      @Nullable SpiffeId identity,
      ServiceName service) {
    return new ConnectionFacts(
        new TrafficLabels(
            Reporter.SOURCE,
            peer(local, local.identity().toString()),
            serviceName(service),
            said.peer(identity),
            SecurityPolicy.MUTUAL_TLS,
            new TrafficLabels.Locality(
                local.locality().region(), local.locality().zone(), said.region(), said.zone())),
        source,
        local.name(),
        gateway,
        authority,
        said.workloadName());
  }

  /**
   * A connection that came through a tunnel.
   *
   * @param client the mesh's record of the client, if it has one that may be believed
   * @param said what the client's baggage says of it, used where there is no record
   */
  static ConnectionFacts tunnelledInbound(
      Workload local,
      InetSocketAddress source,
      InetSocketAddress tunnelAddress,
      String authority,
      @Nullable Workload client,
      PeerMetadata said,
      @Nullable SpiffeId identity,
      @Nullable ServiceName service) {
    return new ConnectionFacts(
        new TrafficLabels(
            Reporter.DESTINATION,
            client == null ? said.peer(identity) : peer(client, text(identity)),
            serviceName(service),
            destinationPeer(local),
            SecurityPolicy.MUTUAL_TLS,
            new TrafficLabels.Locality(
                client == null ? said.region() : client.locality().region(),
                client == null ? said.zone() : client.locality().zone(),
                local.locality().region(),
                local.locality().zone())),
        source,
        client == null ? "" : client.name(),
        tunnelAddress,
        authority,
        local.name());
  }

  /**
   * A tunnel that a gateway passes on, or refuses.
   *
   * @param endpoint where it goes; null if it goes nowhere. Its identity is shown to the client
   *     only, within the tunnel
   * @param address the endpoint's, or the gateway's own
   */
  static ConnectionFacts forwarded(
      InetSocketAddress source,
      InetSocketAddress address,
      String authority,
      PeerMetadata said,
      @Nullable SpiffeId identity,
      @Nullable Workload endpoint,
      @Nullable ServiceName service) {
    return new ConnectionFacts(
        new TrafficLabels(
            Reporter.GATEWAY,
            said.peer(identity),
            serviceName(service),
            endpoint == null ? TrafficLabels.Peer.UNKNOWN : peer(endpoint, ""),
            SecurityPolicy.MUTUAL_TLS,
            endpoint == null
                ? null
                : new TrafficLabels.Locality(
                    said.region(),
                    said.zone(),
                    endpoint.locality().region(),
                    endpoint.locality().zone())),
        source,
        "",
        address,
        authority,
        endpoint == null ? "" : endpoint.name());
  }

  /**
   * A TLS connection that a gateway passes on: who its ends are is their own secret.
   *
   * @param endpoint null: the mesh does not know it
   */
  static ConnectionFacts passed(
      InetSocketAddress source,
      InetSocketAddress address,
      @Nullable Workload endpoint,
      ServiceName service) {
    return new ConnectionFacts(
        new TrafficLabels(
            Reporter.GATEWAY,
            TrafficLabels.Peer.UNKNOWN,
            serviceName(service),
            endpoint == null ? TrafficLabels.Peer.UNKNOWN : peer(endpoint, ""),
            SecurityPolicy.UNKNOWN,
            locality(null, endpoint)),
        source,
        "",
        address,
        "",
        endpoint == null ? "" : endpoint.name());
  }

  /** A connection that came as plain TCP. */
  static ConnectionFacts plainInbound(
      Workload local,
      InetSocketAddress source,
      InetSocketAddress destination,
      @Nullable Workload client,
      @Nullable ServiceName service) {
    return new ConnectionFacts(
        new TrafficLabels(
            Reporter.DESTINATION,
            client == null ? TrafficLabels.Peer.UNKNOWN : peer(client, ""),
            serviceName(service),
            destinationPeer(local),
            SecurityPolicy.UNKNOWN,
            locality(client, local)),
        source,
        client == null ? "" : client.name(),
        destination,
        "",
        local.name());
  }

  /** The labels of a source of which {@code istio_on_demand_dns} tells. */
  static TrafficLabels.Peer source(Workload workload) {
    return peer(workload, workload.identity().toString());
  }

  private static TrafficLabels.Peer peer(Workload workload, String principal) {
    return new TrafficLabels.Peer(
        workload.workloadName(),
        workload.canonicalName(),
        workload.canonicalRevision(),
        workload.namespace(),
        principal,
        workload.canonicalName(),
        workload.canonicalRevision(),
        workload.clusterId());
  }

  private static String text(@Nullable SpiffeId identity) {
    return identity == null ? "" : identity.toString();
  }

  private static TrafficLabels.Peer destinationPeer(@Nullable Workload destination) {
    return destination == null
        ? TrafficLabels.Peer.UNKNOWN
        : peer(destination, destination.identity().toString());
  }

  private static TrafficLabels.ServiceName serviceName(@Nullable ServiceName service) {
    return service == null
        ? TrafficLabels.ServiceName.UNKNOWN
        : new TrafficLabels.ServiceName(service.hostname(), service.namespace(), service.name());
  }

  private static TrafficLabels.@Nullable Locality locality(
      @Nullable Workload source, @Nullable Workload destination) {
    if (source == null && destination == null) {
      return null;
    }
    Locality from = source == null ? Locality.UNKNOWN : source.locality();
    Locality to = destination == null ? Locality.UNKNOWN : destination.locality();
    return new TrafficLabels.Locality(from.region(), from.zone(), to.region(), to.zone());
  }
}
