package io.ztunnel.explain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.TestMesh;
import io.ztunnel.routing.EndpointHealth;
import io.ztunnel.routing.InboundRouter;
import io.ztunnel.routing.InboundSettings;
import io.ztunnel.routing.OutboundRouter;
import io.ztunnel.routing.OutboundSettings;
import io.ztunnel.routing.ReservedPorts;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class ExplainerTest {
  private static final String MESH =
      """
      workloads:
      - {uid: c//Pod/shop/client, name: client, namespace: shop, serviceAccount: client,
         trustDomain: td, network: n1, workloadIps: [10.0.0.1, "fd00::1"], protocol: HBONE,
         locality: {region: r1, zone: z1, subzone: ""}, services: {}}
      - {uid: c//Pod/shop/cart-0, name: cart-0, namespace: shop, serviceAccount: cart,
         trustDomain: td, network: n1, workloadIps: [10.0.0.2], protocol: HBONE,
         locality: {region: r1, zone: z1, subzone: ""}, authorizationPolicies: [shop/cart-port],
         services: {shop/cart.shop.svc: {80: 8080}}}
      - {uid: c//Pod/shop/cart-1, name: cart-1, namespace: shop, serviceAccount: cart,
         trustDomain: td, network: n1, workloadIps: [10.0.0.3], protocol: HBONE,
         locality: {region: r2, zone: z2, subzone: ""}, services: {shop/cart.shop.svc: {80: 8080}}}
      - {uid: c//Pod/shop/cart-2, name: cart-2, namespace: shop, serviceAccount: cart,
         trustDomain: td, network: n1, workloadIps: [10.0.0.4], protocol: HBONE, status: Unhealthy,
         services: {shop/cart.shop.svc: {80: 8080}}}
      - {uid: c//Pod/shop/legacy, name: legacy, namespace: shop, network: n1,
         workloadIps: [10.0.0.5], protocol: TCP, services: {}}
      - {uid: c//Pod/shop/wp-pod, name: wp-pod, namespace: shop, serviceAccount: wp,
         trustDomain: td, network: n1, workloadIps: [10.0.0.8], protocol: HBONE, services: {}}
      - {uid: c//Pod/shop/guarded, name: guarded, namespace: shop, serviceAccount: guarded,
         trustDomain: td, network: n1, workloadIps: [10.0.0.9], protocol: HBONE, services: {},
         waypoint: {destination: n1/10.0.0.8, hboneMtlsPort: 15008}}
      - {uid: far, name: far, namespace: shop, serviceAccount: far, trustDomain: td, network: n2,
         workloadIps: [10.9.0.1], protocol: HBONE, services: {shop/far.shop.svc: {80: 80}},
         networkGateway: {destination: n2/10.9.9.9, hboneMtlsPort: 15008}}
      - {uid: gateway, name: gateway, namespace: shop, serviceAccount: gw, trustDomain: td,
         network: n2, workloadIps: [10.9.9.9], protocol: HBONE, services: {}}
      - {uid: twin-a, name: twin, namespace: shop, network: n1, workloadIps: [10.0.0.20], services: {}}
      - {uid: twin-b, name: twin, namespace: shop, network: n1, workloadIps: [10.0.0.21], services: {}}
      services:
      - {name: cart, namespace: shop, hostname: cart.shop.svc, vips: [n1/10.96.0.1], ports: {80: 8080},
         loadBalancer: {routingPreferences: [Region, Zone], mode: Failover, healthPolicy: OnlyHealthy}}
      - {name: far, namespace: shop, hostname: far.shop.svc, vips: [n1/10.96.0.2], ports: {80: 80}}
      - {name: hidden, namespace: other, hostname: hidden.other.svc, vips: [n1/10.96.0.1], ports: {80: 80},
         visibility: Namespace}
      - {name: range, namespace: shop, hostname: range.shop.svc, vips: [], ports: {80: 80},
         cidrVips: [{network: n1, cidr: 10.97.0.0/16}]}
      - {name: headless, namespace: shop, hostname: headless.shop.svc, vips: [], ports: {80: 80}}
      policies:
      - {name: cart-port, namespace: shop, scope: WorkloadSelector, action: Allow, dryRun: false,
         rules: [[[{destinationPorts: [8080], principals: [!Exact td/ns/shop/sa/client]}]]]}
      - {name: no-strangers, namespace: shop, scope: Namespace, action: Deny, dryRun: false,
         rules: [[[{namespaces: [!Exact stranger]}]], [[{namespaces: [!Exact enemy]}]]]}
      - {name: trial, namespace: shop, scope: Namespace, action: Deny, dryRun: true,
         rules: [[[{destinationPorts: [8080]}]]]}
      """;

  private static final MeshView VIEW = TestMesh.view(MESH);
  private static final ReservedPorts RESERVED = new ReservedPorts(Set.of(15001, 15006, 15008));

  private final Explainer explainer = explainer(false);

  private static Explainer explainer(boolean onDemand) {
    return explainer(onDemand, VIEW);
  }

  private static Explainer explainer(boolean onDemand, MeshView view) {
    return explainer(new ExplainerSettings("n1", onDemand, Set.of()), view);
  }

  private static Explainer explainer(ExplainerSettings settings, MeshView view) {
    long[] now = new long[1];
    EndpointHealth health = new EndpointHealth(10, () -> now[0]);
    health.failed("c//Pod/shop/cart-1");
    now[0] = Duration.ofMillis(900).toNanos();
    return new Explainer(
        () -> view,
        settings,
        new OutboundRouter(new OutboundSettings("n1", 15008, RESERVED), () -> new Random(1)),
        new InboundRouter(
            new InboundSettings("n1", RESERVED, InboundSettings.TunnelDelivery.LOOPBACK)),
        health);
  }

  private Explanation explain(String source, String destination, int port) {
    return explainer.explain(
        new Question(source, destination, port, new Client.AsKnown(), Question.Halves.BOTH));
  }

  private Explanation inbound(String source, String destination, int port, Client client) {
    return explainer.explain(
        new Question(source, destination, port, client, Question.Halves.INBOUND));
  }

  @Test
  void whatIsNotKnownMayBeAskedFor() {
    Question question =
        new Question(
            "shop/client", "10.99.0.1", 80, new Client.AsKnown(), Question.Halves.OUTBOUND);
    String unknown = "  address n1/10.99.0.1 is not known to the mesh\n";
    String asked = "    a connection would have the control plane asked for it\n";
    String known = explainer.explain(question).text();
    assertTrue(known.contains(unknown) && !known.contains(asked), known);
    String onDemand = explainer(true).explain(question).text();
    assertTrue(onDemand.contains(unknown + asked), onDemand);
  }

  @Test
  void anUnknownWaypointMayBeAskedFor() {
    MeshView view =
        TestMesh.view(
            MESH.replace(
                "hostname: range.shop.svc,",
                "hostname: range.shop.svc, waypoint: {destination: shop/gone, hboneMtlsPort: 15008},"));
    Question question =
        new Question(
            "shop/client", "10.97.0.1", 80, new Client.AsKnown(), Question.Halves.OUTBOUND);
    String unknown = "  waypoint or gateway shop/gone is not known to the mesh\n";
    String asked = "    a connection would have the control plane asked for it\n";
    String known = explainer(false, view).explain(question).text();
    assertTrue(known.contains(unknown) && !known.contains(asked), known);
    String onDemand = explainer(true, view).explain(question).text();
    assertTrue(onDemand.contains(unknown + asked), onDemand);
  }

  @Test
  void aServiceIsFollowedToTheEndpointAndThroughItsPolicies() {
    assertEquals(
        """
        from c//Pod/shop/client at 10.0.0.1, fd00::1, identity spiffe://td/ns/shop/sa/client
        to 10.96.0.1:80
        outbound
          address n1/10.96.0.1 is service shop/cart.shop.svc, by its VIP, visibility Public
            service other/hidden.other.svc has it, by its VIP, hidden from namespace shop (visibility Namespace)
          endpoints of service shop/cart.shop.svc for its port 80: 2 known; mode Failover by Region, Zone
            c//Pod/shop/cart-2: dropped: Unhealthy
            c//Pod/shop/cart-0: can be used, rank 2
            c//Pod/shop/cart-1: avoided: it failed lately, set aside for 0 s so far
            chosen: c//Pod/shop/cart-0, target port 8080, one of 2 that can be used, 1 of them avoided
          address used of c//Pod/shop/cart-0: 10.0.0.2
          route: tunnel to 10.0.0.2:15008 (c//Pod/shop/cart-0), CONNECT 10.0.0.2:8080, peer must be [spiffe://td/ns/shop/sa/cart]
        inbound
          CONNECT 10.0.0.2:8080 from 10.0.0.1, identity spiffe://td/ns/shop/sa/client
          delivered to c//Pod/shop/cart-0, application at 10.0.0.2:8080
          policies of c//Pod/shop/cart-0:
            namespace shop (deny): shop/no-strangers
            namespace shop (deny, dry run): shop/trial
            selecting the workload (allow): shop/cart-port
            dry-run: deny policy match shop/trial rule 0
            allow policy match shop/cart-port rule 0
        verdict: allowed: by shop/cart-port rule 0
        """,
        explain("shop/client", "10.96.0.1", 80).text());
  }

  @ParameterizedTest(name = "{0} to {1}:{2} is {3}: {4}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          shop/client         | cart.shop.svc      | 80    | ALLOWED   | by shop/cart-port rule 0
          shop/client         | shop/cart.shop.svc | 80    | ALLOWED   | by shop/cart-port rule 0
          c//Pod/shop/client  | shop/cart-0        | 8080  | ALLOWED   | by shop/cart-port rule 0
          10.0.0.1            | c//Pod/shop/cart-0 | 8080  | ALLOWED   | by shop/cart-port rule 0
          shop/client         | 10.0.0.2           | 9090  | DENIED    | allow policies exist, but none allowed: shop/cart-port rule 0 clause 0: destination port
          shop/cart-1         | 10.0.0.2           | 8080  | DENIED    | allow policies exist, but none allowed: shop/cart-port rule 0 clause 0: principal
          shop/client         | 10.0.0.3           | 8080  | ALLOWED   | no policy that allows is there, and none denies
          shop/client         | 10.96.0.1          | 81    | FAILED    | no healthy upstream: 10.96.0.1:81
          shop/client         | 10.97.1.2          | 80    | FAILED    | no healthy upstream: 10.97.1.2:80
          shop/client         | 127.0.0.1          | 15001 | FAILED    | attempted recursive call to ourselves
          shop/client         | 1.2.3.4            | 443   | UNGUARDED | it leaves the mesh: passed through, without identity
          shop/client         | shop/legacy        | 80    | UNGUARDED | the destination is not in the mesh: no policy of ours is asked, and no identity is shown
          shop/client         | shop/guarded       | 80    | ELSEWHERE | waypoint c//Pod/shop/wp-pod asks the policies and calls the destination
          shop/wp-pod         | shop/guarded       | 80    | ALLOWED   | no policy that allows is there, and none denies
          shop/client         | far.shop.svc       | 80    | ELSEWHERE | the other network chooses the endpoint and asks its policies
          """)
  void theVerdictIsThatOfTheDataPath(
      String source, String destination, int port, Explanation.Outcome outcome, String text) {
    Explanation explanation = explain(source, destination, port);
    assertEquals(outcome, explanation.verdict().outcome(), explanation::text);
    assertEquals(text, explanation.verdict().text(), explanation::text);
  }

  @Test
  void aFailureHasTheNameThatTheLogHas() {
    assertEquals("no_healthy_upstream", explain("shop/client", "10.96.0.1", 81).verdict().reason());
    assertTrue(
        explain("shop/client", "10.96.0.1", 81)
            .text()
            .contains("    the service has no port 81 (it has [80])\n"));
  }

  @Test
  void aRangeIsNamed() {
    assertTrue(
        explain("shop/client", "10.97.1.2", 80)
            .text()
            .contains(
                "  address n1/10.97.1.2 is service shop/range.shop.svc, by its range 10.97.0.0/16, visibility Public\n"));
  }

  @Test
  void theGatewayOfAnotherNetworkIsNamed() {
    String text = explain("shop/client", "far.shop.svc", 80).text();
    assertTrue(
        text.contains("  far is in network n2, behind gateway n2/10.9.9.9 port 15008\n"), text);
    assertTrue(text.contains("    gateway gateway: can be used\n"), text);
    assertTrue(
        text.contains(
            "  route: tunnel to gateway 10.9.9.9:15008 (gateway), peer must be [spiffe://td/ns/shop/sa/gw]; in it a second one, CONNECT far.shop.svc:80, peer must be []\n"),
        text);
  }

  @ParameterizedTest(name = "{0}, {1}: {2} by {3} rule {4}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          10.0.0.1 | spiffe://td/ns/shop/sa/client  | ALLOWED | shop/cart-port    | 0
          10.0.0.1 | spiffe://td/ns/stranger/sa/x   | DENIED  | shop/no-strangers | 0
          1.2.3.4  | spiffe://td/ns/enemy/sa/x      | DENIED  | shop/no-strangers | 1
          1.2.3.4  |                                | DENIED  |                   | -1
          """)
  void anyClientCanBePretendedWhereItComesIn(
      String source, String identity, Explanation.Outcome outcome, String policy, int rule) {
    Explanation explanation =
        inbound(
            source,
            "shop/cart-0",
            8080,
            identity == null
                ? new Client.Plain()
                : new Client.Identified(SpiffeId.parse(identity).orElseThrow()));
    assertEquals(outcome, explanation.verdict().outcome(), explanation::text);
    assertEquals(policy == null ? "" : policy, explanation.verdict().policy());
    assertEquals(rule, explanation.verdict().rule());
  }

  @ParameterizedTest(name = "{0}: {1}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          15001 | proxy_port | attempted recursive call to ourselves (port 15001 is the proxy's own)
          15006 | proxy_port | attempted recursive call to ourselves (port 15006 is the proxy's own)
          15008 | tls_failed | tls handshake error: port 15008 is for tunnels, which begin with TLS
          """)
  void aPlainConnectionToAPortOfTheProxyFailsAsInTheLog(int port, String reason, String text) {
    Explanation explanation = inbound("1.2.3.4", "shop/cart-0", port, new Client.Plain());
    assertEquals(Explanation.Outcome.FAILED, explanation.verdict().outcome());
    assertEquals(reason, explanation.verdict().reason());
    assertEquals(text, explanation.verdict().text());
  }

  @Test
  void aClientWithoutAnIdentityComesInPlainlyWhereverTheRouteLeads() {
    Explanation explanation =
        explainer.explain(
            new Question(
                "shop/client", "cart.shop.svc", 80, new Client.Plain(), Question.Halves.BOTH));
    assertTrue(
        explanation
            .text()
            .endsWith(
                """
                inbound
                  plain TCP to 10.0.0.2:8080 from 10.0.0.1, without an identity
                  delivered to c//Pod/shop/cart-0, application at 10.0.0.2:8080
                  policies of c//Pod/shop/cart-0:
                    namespace shop (deny): shop/no-strangers
                    namespace shop (deny, dry run): shop/trial
                    selecting the workload (allow): shop/cart-port
                    dry-run: deny policy match shop/trial rule 0
                    no allow policies matched
                    does not match: shop/cart-port rule 0 clause 0: principal
                verdict: denied: allow policies exist, but none allowed: shop/cart-port rule 0 clause 0: principal
                """),
        explanation.text());
  }

  @ParameterizedTest(name = "{0}, {1}: {2}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          INBOUND | spiffe://elsewhere/ns/shop/sa/client | tls handshake error: identity verification error: peer did not present the expected trustdomain (td), got spiffe://elsewhere/ns/shop/sa/client
          BOTH    | spiffe://elsewhere/ns/stranger/sa/x  | tls handshake error: identity verification error: peer did not present the expected trustdomain (td), got spiffe://elsewhere/ns/stranger/sa/x
          """)
  void aClientOfAnotherTrustDomainFailsInTheHandshake(
      Question.Halves halves, String identity, String text) {
    Explanation explanation =
        explainer.explain(
            new Question(
                "shop/client",
                "shop/cart-0",
                8080,
                new Client.Identified(SpiffeId.parse(identity).orElseThrow()),
                halves));
    assertEquals(Explanation.Outcome.FAILED, explanation.verdict().outcome(), explanation::text);
    assertEquals("wrong_trust_domain", explanation.verdict().reason());
    assertEquals(text, explanation.verdict().text());
  }

  @Test
  void policiesJudgeAClientOfAnAliasOfTheTrustDomain() {
    Explanation explanation =
        explainer(new ExplainerSettings("n1", false, Set.of("elsewhere")), VIEW)
            .explain(
                new Question(
                    "1.2.3.4",
                    "shop/cart-0",
                    8080,
                    new Client.Identified(new SpiffeId("elsewhere", "stranger", "x")),
                    Question.Halves.INBOUND));
    assertEquals("shop/no-strangers", explanation.verdict().policy(), explanation::text);
  }

  @Test
  void theOutboundHalfAloneSaysWhereItGoes() {
    Explanation explanation =
        explainer.explain(
            new Question(
                "shop/client",
                "shop/cart-0",
                9090,
                new Client.AsKnown(),
                Question.Halves.OUTBOUND));
    assertEquals(Explanation.Outcome.ROUTED, explanation.verdict().outcome());
    assertEquals(
        List.of(Explanation.Place.QUESTION, Explanation.Place.OUTBOUND),
        explanation.steps().stream().map(Explanation.Step::place).distinct().toList());
  }

  @ParameterizedTest(name = "{4}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          shop/nobody | 10.0.0.2           | 80    | BOTH    | src: shop/nobody is not known (expected: a workload as namespace/name, by uid or by address)
          shop/twin   | 10.0.0.2           | 80    | BOTH    | src: shop/twin are 2 workloads (expected: one of them by uid: [twin-a, twin-b])
          1.2.3.4     | 10.0.0.2           | 80    | BOTH    | src: 1.2.3.4 is no workload of the mesh, so its connections pass no proxy on their way out (expected: a workload, or direction=inbound)
          shop/client | nowhere.svc        | 80    | BOTH    | dst: nowhere.svc is not known (expected: an address, a host name of a service, namespace/hostname or a workload as namespace/name or uid)
          shop/client | headless.shop.svc  | 80    | BOTH    | dst: service shop/headless.shop.svc has no address of its own (expected: the address of one of its workloads)
          shop/client | cart.shop.svc      | 80    | INBOUND | dst: shop/cart.shop.svc is a service (expected: a workload, for the inbound half)
          shop/client | 1.2.3.4            | 80    | INBOUND | dst: 1.2.3.4 is no workload of the mesh (expected: a workload, for the inbound half)
          shop/client | 10.0.0.2           | 0     | BOTH    | port: 0 (expected: 1-65535)
          shop/client | 10.0.0.2           | 65536 | BOTH    | port: 65536 (expected: 1-65535)
          ''          | 10.0.0.2           | 80    | BOTH    | src: empty (expected: a workload as namespace/name, by uid or by address)
          shop/client | ''                 | 80    | BOTH    | dst: empty (expected: an address, a host name, namespace/hostname or a workload)
          """)
  void aQuestionThatMakesNoSenseIsToldWhatWasExpected(
      String source, String destination, int port, Question.Halves halves, String message) {
    var error =
        assertThrows(
            QuestionException.class,
            () ->
                explainer.explain(
                    new Question(source, destination, port, new Client.AsKnown(), halves)));
    assertEquals(message, error.getMessage());
  }
}
