package io.ztunnel.proxy;

import io.netty.channel.EventLoopGroup;
import io.ztunnel.dns.DnsContext;
import io.ztunnel.hbone.HboneObserver;
import io.ztunnel.identity.CertificateManager;
import io.ztunnel.log.Span;
import io.ztunnel.mesh.MeshState;
import io.ztunnel.mesh.Workload;
import io.ztunnel.metrics.TrafficMetrics;
import io.ztunnel.policy.Connection;
import io.ztunnel.policy.Decision;
import io.ztunnel.policy.PolicyEngine;
import io.ztunnel.telemetry.ConnectionFailure;
import io.ztunnel.telemetry.ConnectionTelemetry;
import io.ztunnel.telemetry.Denials;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What all proxies of the process share. Each part says by itself which threads may use it.
 *
 * @param loops the event loops of the data path
 * @param dns null if pods get no DNS server
 */
public record ProxyContext(
    ProxySettings settings,
    EventLoopGroup loops,
    MeshState mesh,
    Discovery discovery,
    CertificateManager certificates,
    Upstreams upstreams,
    ConnectionTelemetry telemetry,
    TrafficMetrics metrics,
    Denials denials,
    HboneObserver hboneObserver,
    Drains drains,
    Admission admission,
    @Nullable DnsContext dns) {

  /**
   * Asks the policies of a workload, as they are now; the log and the denials hear of it.
   *
   * @param span whose lines these are
   */
  Decision decide(Supplier<Span> span, Workload local, Connection connection) {
    Decision decision = PolicyEngine.decide(mesh.view(), local, connection);
    ProxyLog.decided(span, decision, settings.policyInfoLogs());
    denials.onDecision(local, connection, decision);
    return decision;
  }

  /**
   * Asks them again about an open connection.
   *
   * @param local null: the mesh does not know the workload at the moment, which changes nothing
   * @return why it has to end; null: it has not
   */
  @Nullable ConnectionFailure reconsider(
      Supplier<Span> span, @Nullable Workload local, Connection connection) {
    if (local != null && decide(span, local, connection) instanceof Decision.Deny denial) {
      ProxyLog.noLongerAllowed(connection, local);
      return new ConnectionFailure.PolicyChanged(denial.detail());
    }
    return null;
  }
}
