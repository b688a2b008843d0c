package io.ztunnel.explain;

import io.ztunnel.explain.Explanation.Outcome;
import io.ztunnel.explain.Explanation.Place;
import io.ztunnel.explain.Explanation.Verdict;
import io.ztunnel.mesh.IpText;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.Workload;
import io.ztunnel.mesh.WorkloadInfo;
import io.ztunnel.policy.Connection;
import io.ztunnel.proxy.Failures;
import io.ztunnel.proxy.GatewayContext;
import io.ztunnel.proxy.ProxySettings;
import io.ztunnel.routing.EndpointHealth;
import io.ztunnel.routing.GatewayCall;
import io.ztunnel.routing.GatewayRefusal;
import io.ztunnel.routing.GatewayResult;
import io.ztunnel.routing.GatewayRoute;
import io.ztunnel.telemetry.ConnectionFailure;
import java.net.InetSocketAddress;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Answers what a gateway between networks would do about a tunnel, by the router of the data path,
 * the tunnels that are open and the mesh of the moment. Nothing is dialled. Any thread; costs a
 * pass over all workloads, so not for a thread that moves data.
 */
public final class GatewayExplainer {
  private final Supplier<MeshView> mesh;
  private final GatewayContext gateway;
  private final WorkloadInfo self;
  private final EndpointHealth health;
  private final Set<String> trustDomainAliases;

  /**
   * An explainer.
   *
   * @param self the gateway's own workload
   * @param health what failed lately and is avoided
   * @param trustDomainAliases other trust domains whose clients are let in
   */
  public GatewayExplainer(
      Supplier<MeshView> mesh,
      GatewayContext gateway,
      WorkloadInfo self,
      EndpointHealth health,
      Set<String> trustDomainAliases) {
    this.mesh = mesh;
    this.gateway = gateway;
    this.self = self;
    this.health = health;
    this.trustDomainAliases = Set.copyOf(trustDomainAliases);
  }

  /** Explains. */
  public Explanation explain(TunnelQuestion question) {
    MeshView view = mesh.get();
    Steps steps = new Steps();
    steps.add(
        "CONNECT %s from %s, a caller of kind %s"
            .formatted(question.authority(), question.client(), question.caller().text()));
    steps.enter(Place.GATEWAY);
    return new Explanation(steps.list(), judge(question, view, steps));
  }

  private Verdict judge(TunnelQuestion question, MeshView view, Steps steps) {
    Verdict stranger =
        Handshakes.refusal(gateway.identity(), question.client(), trustDomainAliases);
    if (stranger != null) {
      return stranger; // before it could hear a status
    }
    ConnectionFailure full = gateway.limits().refusal(question.client().toString());
    if (full != null) {
      return refused(full);
    }
    Verdict denied = gateway.asksPolicies() ? denied(question, view, steps) : null;
    return denied == null ? route(question, view, steps) : denied;
  }

  /** What the policies of the gateway's own pod say against it; null: nothing. */
  private @Nullable Verdict denied(TunnelQuestion question, MeshView view, Steps steps) {
    Workload own = view.localWorkload(self);
    if (own == null || !own.hasIps()) {
      return refused(Failures.unknown(self));
    }
    Verdict verdict =
        new PolicyNarrator(view, steps)
            .ask(
                own,
                new Connection(
                    new InetSocketAddress(question.address(), 0),
                    new InetSocketAddress(own.ips().getFirst(), ProxySettings.HBONE_PORT),
                    question.client(),
                    own.network()));
    return verdict.outcome() == Outcome.ALLOWED ? null : verdict;
  }

  private Verdict route(TunnelQuestion question, MeshView view, Steps steps) {
    GatewayResult result =
        gateway
            .router()
            .route(
                new GatewayCall(
                    question.authority(),
                    question.caller(),
                    question.client().namespace(),
                    view.localWorkload(self),
                    Set.of()),
                gateway.loads().ofConnection(),
                view,
                health::isSetAside,
                new RouteNarrator(view, steps, health::setAsideFor, false));
    return switch (result) {
      case GatewayRefusal refusal -> refused(Failures.of(refusal));
      case GatewayRoute route -> {
        steps.add(
            "route: TCP to %s (%s); others that could be tried: %d"
                .formatted(
                    IpText.of(route.address()), route.endpoint().uid(), route.otherEndpoints()));
        yield Verdict.of(
            Outcome.ELSEWHERE,
            "passed on to %s, which asks the policies".formatted(route.endpoint().uid()));
      }
    };
  }

  private static Verdict refused(ConnectionFailure failure) {
    Verdict verdict = Verdict.failed(failure);
    return new Verdict(
        verdict.outcome(),
        "%s; the client hears %d".formatted(verdict.text(), failure.peerStatus()),
        verdict.reason(),
        verdict.policy(),
        verdict.rule());
  }
}
