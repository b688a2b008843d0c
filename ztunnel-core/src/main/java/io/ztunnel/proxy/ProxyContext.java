package io.ztunnel.proxy;

import io.netty.channel.EventLoopGroup;
import io.ztunnel.hbone.HboneObserver;
import io.ztunnel.identity.CertificateManager;
import io.ztunnel.mesh.MeshState;
import io.ztunnel.metrics.TrafficMetrics;
import io.ztunnel.telemetry.ConnectionTelemetry;
import io.ztunnel.telemetry.Denials;

/**
 * What all proxies of the process share. Each part says by itself which threads may use it.
 *
 * @param loops the event loops of the data path
 */
public record ProxyContext(
    ProxySettings settings,
    EventLoopGroup loops,
    MeshState mesh,
    CertificateManager certificates,
    Upstreams upstreams,
    ConnectionTelemetry telemetry,
    TrafficMetrics metrics,
    Denials denials,
    HboneObserver hboneObserver) {}
