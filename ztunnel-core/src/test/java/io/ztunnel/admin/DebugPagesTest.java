package io.ztunnel.admin;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.explain.Explainer;
import io.ztunnel.explain.ExplainerSettings;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.TestMesh;
import io.ztunnel.mesh.Workload;
import io.ztunnel.policy.Connection;
import io.ztunnel.policy.PolicyEngine;
import io.ztunnel.routing.EndpointHealth;
import io.ztunnel.routing.InboundRouter;
import io.ztunnel.routing.InboundSettings;
import io.ztunnel.routing.OutboundRouter;
import io.ztunnel.routing.OutboundSettings;
import io.ztunnel.routing.ReservedPorts;
import io.ztunnel.telemetry.Denials;
import java.time.Instant;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The pages below {@code /debug}, as text and as JSON. */
class DebugPagesTest {
  @RegisterExtension static final ServerLoops LOOPS = new ServerLoops();

  private static final MeshView VIEW =
      TestMesh.view(
          """
          workloads:
          - {uid: a, name: a, namespace: shop, serviceAccount: a, trustDomain: td,
             workloadIps: [10.0.0.1], protocol: HBONE, services: {}}
          - {uid: b, name: b, namespace: shop, serviceAccount: b, trustDomain: td,
             workloadIps: [10.0.0.2], protocol: HBONE, services: {}}
          policies:
          - {name: no-99, namespace: shop, scope: Namespace, action: Deny, dryRun: false,
             rules: [[[{destinationPorts: [99]}]]]}
          """);
  private static final ReservedPorts RESERVED = new ReservedPorts(Set.of(15008));

  private final Denials denials = new Denials(() -> Instant.parse("2026-01-01T00:00:00Z"));
  private final AdminServer server =
      new AdminServer(
          new AdminPages(LOOPS.group.next())
              .explain(
                  new Explainer(
                      () -> VIEW,
                      new ExplainerSettings("", false, Set.of()),
                      new OutboundRouter(
                          new OutboundSettings("", 15008, RESERVED), () -> new Random(1)),
                      new InboundRouter(
                          new InboundSettings(
                              "", RESERVED, InboundSettings.TunnelDelivery.LOOPBACK)),
                      new EndpointHealth(1, () -> 0)))
              .denials(denials),
          LOOPS.group,
          LOOPS.transport);
  private int port;

  @BeforeEach
  void start() throws Exception {
    port = server.start(ServerLoops.anyPort()).getFirst().getPort();
  }

  @AfterEach
  void stop() {
    assertTrue(server.drain().awaitUninterruptibly(10, TimeUnit.SECONDS));
  }

  private TestClient.Reply get(String path, String... headers) throws Exception {
    try (var client = new TestClient(port)) {
      client.send("GET", path, headers);
      return client.reply();
    }
  }

  @Test
  void anExplanationIsTextUnlessJsonIsAskedFor() throws Exception {
    String question = "/debug/explain?src=shop/a&dst=10.0.0.2&port=99";
    TestClient.Reply text = get(question);
    assertEquals(200, text.status());
    assertEquals("text/plain", text.header("content-type"));
    assertTrue(
        text.text().endsWith("verdict: denied: explicitly denied by: shop/no-99 rule 0\n"),
        text.text());
    String verdict =
        """
          "verdict": {
            "outcome": "denied",
            "policy": "shop/no-99",
            "reason": "policy_denied",
            "rule": 0,
            "text": "explicitly denied by: shop/no-99 rule 0"
          }
        }\
        """;
    for (TestClient.Reply json :
        new TestClient.Reply[] {
          get(question, "accept: application/json"), get(question + "&format=json")
        }) {
      assertEquals("application/json", json.header("content-type"));
      assertTrue(json.text().endsWith(verdict), json.text());
    }
    assertEquals(
        "text/plain",
        get(question + "&format=text", "accept: application/json").header("content-type"));
  }

  @ParameterizedTest(name = "{1}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          ''                                                | port: empty (expected: 1-65535)
          src=shop/a&dst=10.0.0.2&port=http                 | port: http (expected: 1-65535)
          src=shop/a&dst=10.0.0.2&port=99999                | port: 99999 (expected: 1-65535)
          dst=10.0.0.2&port=80                              | src: empty (expected: a workload as namespace/name, by uid or by address)
          src=shop/c&dst=10.0.0.2&port=80                   | src: shop/c is not known (expected: a workload as namespace/name, by uid or by address)
          src=shop/a&dst=10.0.0.2&port=80&identity=me       | identity: me (expected: spiffe://<trust domain>/ns/<namespace>/sa/<account>, or none)
          src=shop/a&dst=10.0.0.2&port=80&direction=up      | direction: up (expected: both, outbound or inbound)
          src=shop/a&dst=10.0.0.2&port=80&format=xml        | format: xml (expected: text or json)
          src=shop/a&dst=10.0.0.2&port=80&sport=1           | sport: unknown (expected: direction, dst, format, identity, port, src)
          """)
  void aBadQuestionIsA400ThatSaysWhatWasExpected(String query, String message) throws Exception {
    TestClient.Reply reply = get("/debug/explain?" + query);
    assertEquals(400, reply.status());
    assertEquals(message, reply.text().lines().findFirst().orElse(""));
    assertTrue(reply.text().contains("usage: GET /debug/explain?src="), reply.text());
  }

  @Test
  void denialsAreListedByWorkload() throws Exception {
    assertEquals("no connection was denied\n", get("/debug/denials").text());
    Workload local = TestMesh.workload(VIEW, "b");
    Connection connection =
        new Connection(
            TestMesh.socket("10.0.0.1:1234"),
            TestMesh.socket("10.0.0.2:99"),
            new SpiffeId("td", "shop", "a"),
            "");
    for (int i = 0; i < 2; i++) {
      denials.onDecision(local, connection, PolicyEngine.decide(VIEW, local, connection));
    }
    String text =
        """
        shop/b (b)
          2026-01-01T00:00:00Z denied 10.0.0.1 spiffe://td/ns/shop/sa/a -> 10.0.0.2:99: explicitly denied by: shop/no-99 rule 0 (2 times since 2026-01-01T00:00:00Z)
        """;
    assertEquals(text, get("/debug/denials").text());
    assertEquals(text, get("/debug/denials?workload=shop/b").text());
    assertEquals("no connection was denied\n", get("/debug/denials?workload=shop/a").text());
    assertEquals(
        """
        [
          {
            "denials": [
              {
                "count": 2,
                "destination": "10.0.0.2:99",
                "detail": "explicitly denied by: shop/no-99 rule 0",
                "dryRun": false,
                "first": "2026-01-01T00:00:00Z",
                "identity": "spiffe://td/ns/shop/sa/a",
                "last": "2026-01-01T00:00:00Z",
                "peer": "10.0.0.1",
                "policy": "shop/no-99",
                "rule": 0
              }
            ],
            "name": "b",
            "namespace": "shop",
            "uid": "b"
          }
        ]\
        """,
        get("/debug/denials?format=json").text());
    assertEquals(400, get("/debug/denials?pod=b").status());
  }
}
