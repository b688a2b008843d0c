package io.ztunnel.explain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.TestMesh;
import io.ztunnel.mesh.WorkloadInfo;
import io.ztunnel.metrics.GatewayMetrics;
import io.ztunnel.metrics.MeshRegistry;
import io.ztunnel.proxy.GatewayContext;
import io.ztunnel.proxy.ServiceRetries;
import io.ztunnel.proxy.SourceLimits;
import io.ztunnel.routing.EndpointHealth;
import io.ztunnel.routing.EndpointLoads;
import io.ztunnel.routing.Exports;
import io.ztunnel.routing.GatewayCall;
import io.ztunnel.routing.GatewayRouter;
import io.ztunnel.routing.GatewaySettings;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class GatewayExplainerTest {
  private static final MeshView VIEW = TestMesh.view("workloads: []");

  /** A gateway on which nothing is open. */
  record Idle(int tunnels, int endpoints, int mostTunnels, int fewestTunnels, int sources)
      implements GatewayMetrics.Open {}

  @ParameterizedTest(name = "{0}: {1}")
  @CsvSource({
    "own, service_unknown",
    "alias, service_unknown",
    "elsewhere, wrong_trust_domain",
  })
  void onlyAClientOfItsTrustDomainOrAnAliasGetsAsFarAsTheRouter(String domain, String reason)
      throws Exception {
    EndpointLoads loads = new EndpointLoads();
    try (MeshRegistry registry = new MeshRegistry()) {
      GatewayExplainer explainer =
          new GatewayExplainer(
              () -> VIEW,
              new GatewayContext(
                  new SpiffeId("own", "istio-system", "gateway"),
                  new GatewayRouter(
                      new GatewaySettings("here", 15008, Exports.parse("")),
                      loads,
                      () -> new Random(1)),
                  loads,
                  new SourceLimits(1, 1),
                  new ServiceRetries(() -> 0),
                  new GatewayMetrics(registry, new Idle(0, 0, 0, 0, 0)),
                  false,
                  List.of()),
              new WorkloadInfo("gateway", "istio-system", "gateway"),
              new EndpointHealth(1, () -> 0),
              Set.of("alias"));
      TunnelQuestion question =
          TunnelQuestion.of(
              new SpiffeId(domain, "shop", "client").toString(),
              GatewayCall.Caller.NODE,
              "nowhere.svc",
              80,
              "");
      assertEquals(reason, explainer.explain(question).verdict().reason());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "shop/web.shop.svc", "two words", "[fd00::1"})
  void aDestinationThatIsNoneIsToldInWords(String destination) {
    QuestionException told =
        assertThrows(
            QuestionException.class,
            () ->
                TunnelQuestion.of(
                    "spiffe://own/ns/shop/sa/client",
                    GatewayCall.Caller.NODE,
                    destination,
                    80,
                    ""));
    assertEquals(
        "dst: %s (expected: a host name or an address of a service)"
            .formatted(destination.isEmpty() ? "empty" : destination),
        told.getMessage());
  }
}
