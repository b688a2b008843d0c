package io.ztunnel.telemetry;

import io.netty.util.NetUtil;
import io.ztunnel.hbone.HboneObserver;
import io.ztunnel.hbone.InnerBackend;
import io.ztunnel.hbone.PeerKey;
import io.ztunnel.log.Log;
import io.ztunnel.log.LogLevel;
import io.ztunnel.metrics.RemoteGatewayMetrics;
import io.ztunnel.metrics.TunnelMetrics;
import java.net.InetSocketAddress;

/** Counts the connections and tunnels that the HBONE module reports. Any thread. */
public final class TunnelTelemetry implements HboneObserver {
  private static final Log LOG = Log.target("ztunnel::proxy::h2");

  private final TunnelMetrics metrics;
  private final RemoteGatewayMetrics gateways;

  /** Counts into these metrics. */
  public TunnelTelemetry(TunnelMetrics metrics, RemoteGatewayMetrics gateways) {
    this.metrics = metrics;
    this.gateways = gateways;
  }

  private static TunnelMetrics.Role role(Role role) {
    return switch (role) {
      case CLIENT -> TunnelMetrics.Role.CLIENT;
      case SERVER -> TunnelMetrics.Role.SERVER;
    };
  }

  @Override
  public void onConnectionOpened(Role role) {
    metrics.connectionOpened(role(role));
  }

  @Override
  public void onConnectionClosed(Role role, String reason) {
    metrics.connectionClosed(role(role));
    LOG.at(LogLevel.DEBUG, "connection closed")
        .display("role", role(role).label())
        .string("reason", reason)
        .log();
  }

  @Override
  public void onTunnelOpened(Role role) {
    metrics.tunnelOpened(role(role));
  }

  @Override
  public void onTunnelClosed(Role role) {
    metrics.tunnelClosed(role(role));
  }

  @Override
  public void onPeerRevoked(Role role) {
    metrics.peerRevoked(role(role));
  }

  @Override
  public void onFlood(Role role, String limit, String detail) {
    metrics.floodStopped(role(role), limit);
    LOG.at(LogLevel.WARN, "peer passed a limit, closing its connection")
        .display("role", role(role).label())
        .string("limit", detail)
        .log();
  }

  @Override
  public void onPingTimeout(Role role, InetSocketAddress peer) {
    LOG.at(
            switch (role) {
              case CLIENT -> LogLevel.WARN;
              case SERVER -> LogLevel.DEBUG;
            },
            "HBONE ping timeout/error")
        .display("role", role(role).label())
        .display("peer", NetUtil.toSocketAddressString(peer))
        .log();
  }

  @Override
  public void onRoundTrip(PeerKey peer, long nanos) {
    gateways.roundTrip(peer.address(), nanos);
  }

  @Override
  public void onInnerOpened(PeerKey gateway, InnerBackend backend) {
    gateways.innerOpened(gateway.address(), backend.certificate(), backend.workloadUid());
  }

  @Override
  public void onInnerClosed(PeerKey gateway, InnerBackend backend) {
    gateways.innerClosed(gateway.address(), backend.certificate(), backend.workloadUid());
  }
}
