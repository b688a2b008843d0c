package io.ztunnel.routing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.mesh.IpText;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.ServiceName;
import io.ztunnel.mesh.TestMesh;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Every row of the outbound table, on meshes as the local file writes them. */
final class OutboundRouterTest {
  private static final Random RANDOM = seeded();

  private static final String SOURCE =
      """
      - {uid: source, name: source, namespace: ns, serviceAccount: src, trustDomain: td, network: n1,
         workloadIps: [10.0.0.1, "fd00::1"], protocol: HBONE, node: node-a, services: {}}
      """;

  private static final String WAYPOINT_SERVICES =
      """
      - {name: wp, namespace: ns, hostname: wp, vips: [n1/10.1.0.8], ports: {15008: 15008},
         subjectAltNames: ['spiffe://td/ns/wp/sa/extra']}
      - {name: empty, namespace: ns, hostname: empty, vips: [], ports: {15008: 15008}}
      """;

  @ParameterizedTest(name = "{0} {1}")
  @CsvSource({
    "TCP,   tcp 10.0.0.2:80 []",
    "HBONE, hbone 10.0.0.2:15008 10.0.0.2:80 [spiffe://td/ns/ns/sa/dst]",
  })
  void aPodAddressIsReachedByItsProtocol(String protocol, String route) {
    for (String node : List.of("node-a", "node-b")) {
      assertEquals(
          route + " dst",
          route(
              "10.0.0.2:80",
              """
              - {uid: dst, namespace: ns, serviceAccount: dst, trustDomain: td, network: n1,
                 workloadIps: [10.0.0.2], protocol: %s, node: %s, services: {}}
              """
                  .formatted(protocol, node)),
          node);
    }
  }

  /** Or whoever calls a closed port of a pod would take the pod out of its services. */
  @ParameterizedTest
  @CsvSource({
    "HBONE, 10.0.0.2:9999, '',  ''",
    "TCP,   10.0.0.2:9999, '',  ''",
    "HBONE, 10.1.0.1:80,   dst, dst:8080",
    "HBONE, 10.1.0.1:81,   dst, dst:9187",
    "TCP,   10.1.0.1:81,   dst, dst:9187",
  })
  void onlyWhoWasChosenIsAvoidedShouldItFail(
      String protocol, String target, String avoided, String application) {
    MeshView view =
        TestMesh.view(
            mesh(
                """
                - {uid: dst, namespace: ns, serviceAccount: dst, trustDomain: td, network: n1,
                   workloadIps: [10.0.0.2], protocol: %s, services: {ns/svc: {}}}
                """
                    .formatted(protocol),
                service("", "80: 8080, 81: 9187")));
    Hop hop =
        switch (router().route(call(view, target), view, _ -> false, RouteTrace.OFF)) {
          case Route.Hbone(Hop tunnel, String _, ServiceName _) -> tunnel;
          case Route.DirectTcp(Hop plain, ServiceName _) -> plain;
          default -> throw new AssertionError("not to the pod");
        };
    assertEquals(avoided, String.join(" ", hop.keys()));
    assertEquals(application, String.join(" ", hop.applicationKeys()), "should its port refuse");
  }

  /** Or whoever calls a closed port would take the others from all. */
  @ParameterizedTest(name = "{0}, set aside {1}: {2}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          10.1.0.1:80 | near      | far
          10.1.0.1:80 | near:8080 | far
          10.1.0.1:80 | near:9187 | near
          10.1.0.1:81 | near:9187 | far
          10.1.0.1:81 | near:8080 | near
          """)
  void anEndpointOneOfWhosePortsRefusesIsAvoidedForThatPort(
      String target, String aside, String expected) {
    MeshView view =
        TestMesh.view(
            mesh(
                """
                - {uid: near, namespace: ns, serviceAccount: dst, trustDomain: td, network: n1, node: node-a,
                   workloadIps: [10.0.0.2], protocol: HBONE, services: {ns/svc: {}}}
                - {uid: far, namespace: ns, serviceAccount: dst, trustDomain: td, network: n1, node: node-b,
                   workloadIps: [10.0.0.3], protocol: HBONE, services: {ns/svc: {}}}
                """,
                service(
                    "loadBalancer: {routingPreferences: [Node], mode: Failover, healthPolicy: OnlyHealthy}",
                    "80: 8080, 81: 9187")));
    assertEquals(expected, chosen(decide(view, target, Set.of(aside)::contains, RouteTrace.OFF)));
  }

  /** It takes tunnels for many services; what it answers is told of the one that was asked for. */
  @ParameterizedTest(name = "{0}: {1}")
  @CsvSource({"wp-1, wp-2", "wp-1:10.1.0.1:80, wp-2", "wp-1:10.1.0.9:80, wp-1 wp-2"})
  void aWaypointThatRefusesIsAvoidedForWhatWasAskedOfIt(String aside, String expected) {
    MeshView view =
        TestMesh.view(
            mesh(
                """
                - {uid: wp-1, namespace: ns, serviceAccount: wp, trustDomain: td, network: n1,
                   workloadIps: [10.0.0.8], protocol: HBONE, services: {ns/wp: {}}}
                - {uid: wp-2, namespace: ns, serviceAccount: wp, trustDomain: td, network: n1,
                   workloadIps: [10.0.0.9], protocol: HBONE, services: {ns/wp: {}}}
                """,
                service("waypoint: {destination: ns/wp, hboneMtlsPort: 15008}", "80: 8080"),
                WAYPOINT_SERVICES));
    Set<String> chosen = new TreeSet<>();
    for (int i = 0; i < 50; i++) {
      RouteResult result = decide(view, "10.1.0.1:80", Set.of(aside)::contains, RouteTrace.OFF);
      chosen.add(chosen(result));
      if (result instanceof Route.Hbone(Hop hop, String _, ServiceName _)) {
        assertEquals(List.of(hop.workload().uid() + ":10.1.0.1:80"), hop.applicationKeys());
      }
    }
    assertEquals(expected, String.join(" ", chosen));
  }

  /** Where not all of the mesh is known in advance, they can be asked for, or kept. */
  @ParameterizedTest(name = "{0} {1} {2} {3}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          a service's waypoint by name    | ''     | waypoint: {destination: ns/gone, hboneMtlsPort: 15008}        | ns/gone
          a service's waypoint by address | ''     | waypoint: {destination: n1/10.9.9.9, hboneMtlsPort: 15008}    | n1/10.9.9.9
          one that is known               | ''     | waypoint: {destination: ns/wp, hboneMtlsPort: 15008}          | ns/wp
          one known and of no use         | ''     | waypoint: {destination: ns/empty, hboneMtlsPort: 15008}       | ns/empty
          none                            | ''     | ''                                                            | ''
          a network's gateway by address  | n2     | ''                                                            | n2/192.0.2.9
          of a network with another one   | n2, n1 | ''                                                            | n2/192.0.2.9
          """)
  void waypointsAndGatewaysThatMatterAreTold(
      String what, String networks, String more, String expected) {
    StringBuilder pods = new StringBuilder(waypointPod("10.0.0.8", ""));
    for (String network : networks.isEmpty() ? new String[] {"n1"} : networks.split(", ", -1)) {
      pods.append(
          """
          - {uid: pod-%1$s, namespace: ns, serviceAccount: dst, trustDomain: td, network: %1$s,
             workloadIps: [10.0.0.2], protocol: HBONE, services: {ns/svc: {}},
             networkGateway: {destination: n2/192.0.2.9, hboneMtlsPort: 15008}}
          """
              .formatted(network));
    }
    MeshView view =
        TestMesh.view(mesh(pods.toString(), service(more, "80: 8080"), WAYPOINT_SERVICES));
    Set<String> met = new TreeSet<>();
    RouteResult _ =
        router()
            .route(
                call(view, "10.1.0.1:80"),
                view,
                _ -> false,
                RouteTrace.OFF,
                destination -> met.add(destination.toString()));
    assertEquals(expected, String.join(" ", met), what);
  }

  @Test
  void anUnknownAddressIsPassedThrough() {
    assertEquals("passthrough 1.2.3.4:80", route("1.2.3.4:80", ""));
    assertEquals("passthrough [fd00::99]:80", route("[fd00::99]:80", ""));
  }

  @ParameterizedTest(name = "{0}: {1}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          127.0.0.1:15001 | self call
          [::1]:15008     | self call
          127.0.0.1:80    | passthrough 127.0.0.1:80
          1.2.3.4:15001   | passthrough 1.2.3.4:15001
          """)
  void aCallToTheProxyItselfIsRefused(String target, String route) {
    assertEquals(route, route(target, ""));
  }

  @Test
  void aServiceWithoutEndpointsIsAnErrorAndNotPassedThrough() {
    assertEquals("no upstream 10.1.0.1:80", route("10.1.0.1:80", "", service("", "80: 8080")));
    assertEquals("no upstream [fd00::a]:80", route("[fd00::a]:80", "", service("", "80: 8080")));
  }

  @Test
  void aServiceIsReachedAtAnEndpointsOwnPort() {
    String pods =
        pod("named", "10.0.0.2", "{ns/svc: {80: 1234}}")
            + pod("unnamed", "10.0.0.3", "{ns/svc: {}}");
    for (int i = 0; i < 20; i++) {
      assertEquals(
          "hbone 10.0.0.2:15008 10.0.0.2:1234 [spiffe://td/ns/ns/sa/named] named for svc",
          route("10.1.0.1:80", pods, service("", "80: 0")),
          "a port without number is served by those that give one");
    }
  }

  @ParameterizedTest(name = "{0} {1}: {2}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          80: 8080 | {80: 9090} | 9090 | the endpoint's own port
          80: 8080 | {}         | 8080 | the service's port
          80: 8080 | {80: 0}    | 0    | the endpoint's own port even if it is none
          """)
  void portsAreTranslated(String servicePorts, String endpointPorts, int port, String why) {
    assertEquals(
        "hbone 10.0.0.2:15008 10.0.0.2:" + port + " [spiffe://td/ns/ns/sa/dst] dst for svc",
        route(
            "10.1.0.1:80",
            pod("dst", "10.0.0.2", "{ns/svc: " + endpointPorts + "}"),
            service("", servicePorts)),
        why);
  }

  @Test
  void aPortThatTheServiceDoesNotHaveHasNoEndpoint() {
    assertEquals(
        "no upstream 10.1.0.1:81",
        route(
            "10.1.0.1:81", pod("dst", "10.0.0.2", "{ns/svc: {81: 81}}"), service("", "80: 8080")));
  }

  @Test
  void theIdentitiesOfTheServiceAreAcceptedTooIfTheyAreAny() {
    assertEquals(
        "hbone 10.0.0.2:15008 10.0.0.2:8080 [spiffe://td/ns/ns/sa/dst, spiffe://td/ns/x/sa/y] dst for"
            + " svc",
        route(
            "10.1.0.1:80",
            pod("dst", "10.0.0.2", "{ns/svc: {}}"),
            service(
                "subjectAltNames: ['spiffe://td/ns/x/sa/y', bad, 'spiffe://td/ns/ns/sa/dst']",
                "80: 8080")));
  }

  @ParameterizedTest(name = "{0} for {1}: {2}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          IPv6 | 10.1.0.1 | fd00::2   | the family that the service allows
          IPv4 | fd00::a  | 10.0.0.2  | the family that the service allows
          Dual | 10.1.0.1 | 10.0.0.2  | the family of the target
          Dual | fd00::a  | fd00::2   | the family of the target
          ~    | 10.1.0.1 | 10.0.0.2  | the family of the target
          ~    | fd00::a  | fd00::2   | the family of the target
          """)
  void theFamilyIsTheServicesOrTheTargets(String families, String vip, String ip, String why) {
    String target = vip.contains(":") ? "[" + vip + "]:80" : vip + ":80";
    String host = ip.contains(":") ? "[" + ip + "]" : ip;
    assertEquals(
        "hbone %s:15008 %s:8080 [spiffe://td/ns/ns/sa/dst] dst for svc".formatted(host, host),
        route(
            target,
            pod("dst", "10.0.0.2, 'fd00::2'", "{ns/svc: {}}"),
            service("ipFamilies: " + families, "80: 8080")),
        why);
  }

  @Test
  void aPodWithSeveralAddressesIsReachedAtTheOneThatWasAskedFor() {
    String pod = pod("dst", "10.0.0.2, 10.0.0.3, 'fd00::2'", "{}");
    assertTrue(route("10.0.0.3:80", pod).startsWith("hbone 10.0.0.3:15008 10.0.0.3:80 "));
    assertTrue(route("[fd00::2]:80", pod).startsWith("hbone [fd00::2]:15008 [fd00::2]:80 "));
  }

  @Test
  void aPodOnItsNodesNetworkIsReachedThroughItsServiceOnly() {
    String pods =
        """
        - {uid: one, namespace: ns, trustDomain: td, serviceAccount: sa, network: n1,
           workloadIps: [10.0.0.9], networkMode: HostNetwork, services: {ns/svc: {80: 8081}}}
        - {uid: two, namespace: ns, trustDomain: td, serviceAccount: sa, network: n1,
           workloadIps: [10.0.0.9], networkMode: HostNetwork, services: {}}
        """;
    assertEquals(
        "tcp 10.0.0.9:8081 [] one for svc", route("10.1.0.1:80", pods, service("", "80: 8080")));
    assertEquals("passthrough 10.0.0.9:80", route("10.0.0.9:80", pods));
  }

  @ParameterizedTest(name = "with [{0}]: {1}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          ''                                                           | passthrough 10.1.0.1:80
          waypoint: {destination: n1/10.0.0.8, hboneMtlsPort: 15008}   | hbone 10.0.0.8:15008 10.1.0.1:80 [spiffe://td/ns/ns/sa/wp] wp for svc
          """)
  void aPassthroughServiceLeavesTheAddressAlone(String waypoint, String route) {
    String traits =
        "loadBalancer: {routingPreferences: [], mode: Passthrough, healthPolicy: OnlyHealthy}";
    assertEquals(
        route,
        route(
            "10.1.0.1:80",
            pod("wp", "10.0.0.8", "{}") + pod("dst", "10.0.0.2", "{ns/svc: {}}"),
            service(waypoint.isEmpty() ? traits : traits + ", " + waypoint, "80: 8080")));
  }

  @ParameterizedTest(name = "{0} from {1}: {2}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          n1/10.0.0.8     | 10.1.0.1:80   | hbone 10.0.0.8:15008 10.1.0.1:80 [spiffe://td/ns/ns/sa/wp] wp for svc
          n1/10.1.0.8     | 10.1.0.1:80   | hbone 10.0.0.8:15008 10.1.0.1:80 [spiffe://td/ns/wp/sa/extra, spiffe://td/ns/ns/sa/wp] wp for svc
          ns/wp           | 10.1.0.1:80   | hbone 10.0.0.8:15008 10.1.0.1:80 [spiffe://td/ns/wp/sa/extra, spiffe://td/ns/ns/sa/wp] wp for svc
          ns/wp           | [fd00::a]:80  | hbone [fd00::8]:15008 [fd00::a]:80 [spiffe://td/ns/wp/sa/extra, spiffe://td/ns/ns/sa/wp] wp for svc
          n1/10.0.0.8     | [fd00::a]:80  | hbone 10.0.0.8:15008 [fd00::a]:80 [spiffe://td/ns/ns/sa/wp] wp for svc
          ns/wp.host      | 10.1.0.1:80   | hbone 10.0.0.8:15008 10.1.0.1:80 [spiffe://td/ns/ns/sa/wp] wp for svc
          ns/nobody       | 10.1.0.1:80   | no waypoint ns/nobody
          n1/10.0.0.99    | 10.1.0.1:80   | no waypoint n1/10.0.0.99
          ns/empty        | 10.1.0.1:80   | no waypoint ns/empty
          """)
  void aServicesWaypointGetsTheAddressThatWasAskedFor(
      String waypoint, String target, String route) {
    assertEquals(
        route,
        route(
            target,
            pod("dst", "10.0.0.2", "{ns/svc: {}}") + waypointPod("10.0.0.8, 'fd00::8'", ""),
            service(
                "waypoint: {destination: '%s', hboneMtlsPort: 15008}".formatted(waypoint),
                "80: 8080"),
            WAYPOINT_SERVICES));
  }

  @ParameterizedTest(name = "{0} to {1}: {2}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          n1/10.0.0.8  | 10.0.0.2:80   | hbone 10.0.0.8:15008 10.0.0.2:80 [spiffe://td/ns/ns/sa/wp] wp
          n1/10.0.0.8  | [fd00::2]:80  | hbone 10.0.0.8:15008 [fd00::2]:80 [spiffe://td/ns/ns/sa/wp] wp
          ns/wp        | 10.0.0.2:80   | hbone 10.0.0.8:15008 10.0.0.2:80 [spiffe://td/ns/wp/sa/extra, spiffe://td/ns/ns/sa/wp] wp
          ns/nobody    | 10.0.0.2:80   | no waypoint ns/nobody
          ns/nobody    | 10.1.0.1:80   | hbone 10.0.0.2:15008 10.0.0.2:8080 [spiffe://td/ns/ns/sa/dst] dst for svc
          """)
  void aWorkloadsWaypointTakesWhatIsSentToItsOwnAddress(
      String waypoint, String target, String route) {
    assertEquals(
        route,
        route(
            target,
            """
            - {uid: dst, namespace: ns, serviceAccount: dst, trustDomain: td, network: n1,
               workloadIps: [10.0.0.2, "fd00::2"], protocol: HBONE, services: {ns/svc: {}},
               waypoint: {destination: %s, hboneMtlsPort: 15008}}
            """
                    .formatted(waypoint)
                + waypointPod("10.0.0.8", ""),
            service("", "80: 8080"),
            WAYPOINT_SERVICES));
  }

  @ParameterizedTest(name = "{0} {1} from {2}: {3}")
  @CsvSource({
    "n1/10.0.0.1, src,   10.0.0.1, true",
    "ns/self,     src,   10.0.0.1, true",
    "ns/self,     src,   10.0.0.7, false",
    "ns/self,     other, 10.0.0.1, false",
    "ns/nobody,   src,   10.0.0.1, false",
  })
  void aWaypointItselfGoesStraightToTheDestination(
      String waypoint, String account, String from, boolean straight) {
    String pods =
        """
        workloads:
        - {uid: source, namespace: ns, serviceAccount: src, trustDomain: td, network: n1,
           workloadIps: [10.0.0.1], protocol: HBONE, services: {ns/self: {}}}
        - {uid: impostor, namespace: ns, serviceAccount: %s, trustDomain: td, network: n1,
           workloadIps: [10.0.0.5], protocol: HBONE, services: {}}
        - {uid: dst, namespace: ns, serviceAccount: dst, trustDomain: td, network: n1,
           workloadIps: [10.0.0.2], protocol: HBONE, services: {},
           waypoint: {destination: %s, hboneMtlsPort: 15008}}
        services:
        - {name: self, namespace: ns, hostname: self, vips: [], ports: {15008: 15008}}
        """
            .formatted(account, waypoint);
    MeshView view = TestMesh.view(pods);
    OutboundCall call =
        new OutboundCall(
            TestMesh.workload(view, account.equals("src") ? "source" : "impostor"),
            TestMesh.ip(from),
            TestMesh.socket("10.0.0.2:80"));
    boolean direct =
        router().route(call, view, _ -> false, RouteTrace.OFF) instanceof Route.Hbone hbone
            && hbone.hop().workload().uid().equals("dst");
    assertEquals(straight, direct);
  }

  @ParameterizedTest(name = "a service in {0}: {1}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          n1 | no upstream 10.1.0.1:80
          n9 | hbone 10.0.0.2:15008 10.0.0.2:8080 [spiffe://td/ns/ns/sa/dst] dst for svc
          """)
  void theServiceIsLookedUpInTheNodesNetworkAndItsEndpointsInTheWorkloads(
      String network, String route) {
    MeshView view =
        TestMesh.view(
            """
            workloads:
            - {uid: source, namespace: ns, serviceAccount: src, trustDomain: td, network: n9,
               workloadIps: [10.0.0.1], protocol: HBONE, services: {}}
            - {uid: dst, namespace: ns, serviceAccount: dst, trustDomain: td, network: n9,
               workloadIps: [10.0.0.2], protocol: HBONE, services: {ns/svc: {}}}
            services:
            - {name: svc, namespace: ns, hostname: svc, vips: [%s/10.1.0.1], ports: {80: 8080}}
            """
                .formatted(network));
    assertEquals(route, text(decide(view, "10.1.0.1:80", _ -> false, RouteTrace.OFF)));
  }

  @Test
  void aWaypointOfTheSourceIsNotUsed() {
    String view =
        """
        workloads:
        - {uid: source, namespace: ns, serviceAccount: src, trustDomain: td, network: n1,
           workloadIps: [10.0.0.1], protocol: HBONE, services: {},
           waypoint: {destination: ns/nobody, hboneMtlsPort: 15008}}
        """
            + pod("dst", "10.0.0.2", "{}");
    assertEquals(
        "hbone 10.0.0.2:15008 10.0.0.2:80 [spiffe://td/ns/ns/sa/dst] dst",
        text(decide(TestMesh.view(view), "10.0.0.2:80", _ -> false, RouteTrace.OFF)));
  }

  @Test
  void aWaypointTakesPortsThatItsServiceDoesNotHaveIfItTakesTunnels() {
    String destination =
        service("waypoint: {destination: ns/wp, hboneMtlsPort: 15009}", "80: 8080");
    assertEquals(
        "no waypoint ns/wp",
        route("10.1.0.1:80", waypointPod("10.0.0.8", ""), destination, WAYPOINT_SERVICES));
    assertEquals(
        "hbone 10.0.0.8:15009 10.1.0.1:80 [spiffe://td/ns/wp/sa/extra, spiffe://td/ns/ns/sa/wp] wp for"
            + " svc",
        route(
            "10.1.0.1:80",
            waypointPod("10.0.0.8", ", applicationTunnel: {protocol: PROXY, port: 15088}"),
            destination,
            WAYPOINT_SERVICES));
    assertEquals(
        "no waypoint ns/wp",
        route(
            "10.1.0.1:80",
            waypointPod("10.0.0.8", ", applicationTunnel: {protocol: PROXY}"),
            destination,
            WAYPOINT_SERVICES));
  }

  @ParameterizedTest(name = "{0} and {1} with {2}: {3}")
  @CsvSource({
    "100, 0,   true,  100:0",
    "0,   100, true,  0:100",
    "0,   0,   true,  only",
    "0,   0,   false, none",
    "4294967295, 1, true, only", // the sum does not fit 32 bits
  })
  void weightedWaypointsAreDrawnByWeight(long a, long b, boolean fallback, String expected) {
    String only = fallback ? "waypoint: {destination: ns/only, hboneMtlsPort: 1}, " : "";
    String drawn = null;
    for (int i = 0; i < 50; i++) {
      String route = route("10.1.0.1:80", "", service(only + weighted(a, b), "80: 8080"));
      drawn =
          switch (route) {
            case "no waypoint ns/a" -> "100:0";
            case "no waypoint ns/b" -> "0:100";
            case "no waypoint ns/only" -> "only";
            default -> "none";
          };
      assertEquals(expected, drawn, route);
    }
  }

  @Test
  void weightedWaypointsShareTheConnections() {
    MeshView view = TestMesh.view(mesh("", service(weighted(75, 25), "80: 8080")));
    OutboundRouter router = router();
    int a = 0;
    for (int i = 0; i < 10_000; i++) {
      RouteResult result =
          router.route(call(view, "10.1.0.1:80"), view, _ -> false, RouteTrace.OFF);
      a += text(result).equals("no waypoint ns/a") ? 1 : 0;
    }
    assertTrue(a > 7000 && a < 8000, "drew " + a);
  }

  @Test
  void aRemoteWorkloadAtAnAddressOfALocalOneNeedsAService() {
    // The address is a workload's own (asked first), and in the range of a service (asked second).
    assertEquals(
        "no service 10.9.0.2:80",
        route(
            "10.9.0.2:80",
            pod("near", "10.9.0.2", "{}")
                + """
                - {uid: remote, namespace: ns, network: n2, workloadIps: [10.8.0.2], services: {ns/far: {}}}
                """,
            """
            - {name: far, namespace: ns, hostname: far, vips: [], ports: {80: 8080},
               cidrVips: [{network: n1, cidr: 10.9.0.0/16}]}
            """));
  }

  @Test
  void aRemoteEndpointWithoutGatewayCannotBeReached() {
    assertEquals(
        "no destination Workload{far with uid far (HBONE)}",
        route(
            "10.1.0.1:80",
            """
            - {uid: far, name: far, namespace: ns, network: n2, workloadIps: [10.9.0.2], protocol: HBONE,
               services: {ns/svc: {}}}
            """,
            service("", "80: 8080")));
    assertEquals(
        "no upstream 10.1.0.1:80",
        route(
            "10.1.0.1:80",
            """
            - {uid: far, namespace: ns, network: n2, workloadIps: [], services: {ns/svc: {}}}
            """,
            service("", "80: 8080")),
        "one without an address is not even an endpoint");
  }

  @ParameterizedTest(name = "gateway {0} port {1}, waypoint {2}: {3}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          n2/192.0.2.1 | 15008 | ''    | double 192.0.2.1:15008 example.com:80 [spiffe://td/ns/gw/sa/gw] [spiffe://td/ns/ns/sa/far] gw for svc
          gw/gw        | 15009 | ''    | double 192.0.2.1:15008 example.com:80 [spiffe://td/ns/gw/sa/extra, spiffe://td/ns/gw/sa/gw] [spiffe://td/ns/ns/sa/far] gw for svc
          gw/gw.host   | 15007 | ''    | double 192.0.2.1:15007 example.com:80 [spiffe://td/ns/gw/sa/gw] [spiffe://td/ns/ns/sa/far] gw for svc
          gw/gw        | 15008 | ''    | no gateway gw/gw
          gw/nobody    | 15008 | ''    | no gateway gw/nobody
          n2/192.0.2.1 | 15008 | ns/wp | double 192.0.2.1:15008 example.com:80 [spiffe://td/ns/gw/sa/gw] [spiffe://td/ns/ns/sa/wp] gw for svc
          """)
  void anotherNetworkIsReachedThroughItsGateway(
      String gateway, int port, String waypoint, String route) {
    String reference =
        "networkGateway: {destination: '%s', hboneMtlsPort: %d}".formatted(gateway, port);
    assertEquals(
        route,
        route(
            "10.1.0.1:80",
            """
            - {uid: far, namespace: ns, network: n2, workloadIps: [], protocol: HBONE,
               services: {ns/example.com: {80: 8080}}, %s}
            - {uid: wp, namespace: ns, network: n2, workloadIps: [], protocol: HBONE,
               services: {ns/wp: {}}, %s}
            - {uid: gw, namespace: gw, trustDomain: td, serviceAccount: gw, network: n2,
               workloadIps: [192.0.2.1], hostname: gw.host, services: {gw/gw: {}}}
            """
                .formatted(reference, reference),
            """
            - {name: svc, namespace: ns, hostname: example.com, vips: [n1/10.1.0.1], ports: {80: 8080},
               subjectAltNames: ['spiffe://td/ns/ns/sa/far'] %s}
            - {name: gw, namespace: gw, hostname: gw, vips: [], ports: {15009: 15008},
               subjectAltNames: ['spiffe://td/ns/gw/sa/extra']}
            - {name: wp, namespace: ns, hostname: wp, vips: [], ports: {15008: 15008},
               subjectAltNames: ['spiffe://td/ns/ns/sa/wp']}
            """
                .formatted(
                    waypoint.isEmpty()
                        ? ""
                        : ", waypoint: {destination: %s, hboneMtlsPort: 15008}"
                            .formatted(waypoint))));
  }

  @ParameterizedTest(name = "{0}: {1}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          Healthy   | hbone 10.0.0.2:15008 10.0.0.2:8080 [spiffe://td/ns/ns/sa/dst] dst for svc
          Unhealthy | double 192.0.2.1:15008 svc:80 [spiffe:///ns/gw/sa/] [] far for svc
          """)
  void trafficStaysInItsNetworkWhileItCan(String status, String route) {
    String pods =
        """
        - {uid: dst, namespace: ns, serviceAccount: dst, trustDomain: td, network: n1,
           workloadIps: [10.0.0.2], protocol: HBONE, status: %s, services: {ns/svc: {}}}
        - {uid: remote, namespace: ns, network: n2, workloadIps: [], services: {ns/svc: {}},
           networkGateway: {destination: n2/192.0.2.1, hboneMtlsPort: 15008}}
        - {uid: far, namespace: gw, network: n2, workloadIps: [192.0.2.1], services: {}}
        """
            .formatted(status);
    for (int i = 0; i < 20; i++) {
      assertEquals(
          route,
          route(
              "10.1.0.1:80",
              pods,
              service(
                  "loadBalancer: {routingPreferences: [Network], mode: Failover, healthPolicy:"
                      + " OnlyHealthy}",
                  "80: 8080")));
    }
  }

  @Test
  void aWorkloadKnownByHostnameIsResolvedFirst() {
    MeshView view =
        TestMesh.view(
            mesh(
                """
                - {uid: dst, name: dst, namespace: ns, serviceAccount: dst, trustDomain: td, network: n1,
                   workloadIps: [], hostname: dst.example.com, protocol: HBONE, services: {ns/svc: {}}}
                """,
                service("", "80: 8080")));
    if (decide(view, "10.1.0.1:80", _ -> false, RouteTrace.OFF)
        instanceof UnresolvedRoute unresolved) {
      assertEquals("dst.example.com", unresolved.hostname());
      assertEquals(List.of("dst"), unresolved.keys());
      assertEquals(0, unresolved.otherEndpoints());
      Random random = new Random(1);
      assertEquals(
          "hbone 192.0.2.7:15008 192.0.2.7:8080 [spiffe://td/ns/ns/sa/dst] dst for svc",
          text(
              unresolved.resolved(
                  List.of(TestMesh.ip("fd00::7"), TestMesh.ip("192.0.2.7")), random)));
      assertEquals(
          "hbone [fd00::7]:15008 [fd00::7]:8080 [spiffe://td/ns/ns/sa/dst] dst for svc",
          text(unresolved.resolved(List.of(TestMesh.ip("fd00::7")), random)),
          "the other family is better than none");
      assertEquals("resolved to nothing dst", text(unresolved.resolved(List.of(), random)));
      assertEquals("not resolved dst", text(unresolved.failed()));
    } else {
      throw new AssertionError("not left to be resolved");
    }
  }

  /** Who may answer in another cluster, and who in this one. */
  @ParameterizedTest
  @CsvSource({
    "here, 10.1.0.1:80, spiffe://td/ns/ns/sa/dst",
    "there, 10.1.0.1:80, spiffe://td/ns/ns/sa/dst spiffe://other/ns/ns/sa/dst",
    "there, 10.0.0.2:80, spiffe://td/ns/ns/sa/dst spiffe://other/ns/ns/sa/dst",
  })
  void peersInAnotherClusterMayBeOfAnAliasOfTheTrustDomain(
      String cluster, String target, String accepted) {
    MeshView view =
        TestMesh.view(
            mesh(
                """
                - {uid: dst, name: dst, namespace: ns, serviceAccount: dst, trustDomain: td, network: n1,
                   %sworkloadIps: [10.0.0.2], protocol: HBONE, services: {ns/svc: {}}}
                """
                    .formatted(cluster.equals("here") ? "" : "clusterId: there, "),
                service("", "80: 8080")));
    RouteResult result =
        router("other").route(call(view, target), view, _ -> false, RouteTrace.OFF);
    if (result instanceof Route.Hbone hbone) {
      assertEquals(List.of(accepted.split(" ")), hbone.hop().acceptedIdentities());
    } else {
      throw new AssertionError(text(result));
    }
  }

  @Test
  void gatewaysAndThoseBehindThemMayBeOfAnAliasOfTheTrustDomain() {
    String gateways =
        """
        - {uid: far, namespace: ns, network: n2, workloadIps: [], protocol: HBONE,
           services: {ns/svc: {}}, networkGateway: {destination: n2/192.0.2.1, hboneMtlsPort: 15008}}
        - {uid: gw, namespace: gw, serviceAccount: one, trustDomain: td, network: n2,
           workloadIps: [192.0.2.1], services: {}}
        """;
    MeshView view =
        TestMesh.view(
            mesh(
                gateways,
                service(
                    "subjectAltNames: [spiffe://td/ns/ns/sa/a, spiffe://third/ns/ns/sa/b]",
                    "80: 8080")));
    RouteResult result =
        router("other", "more").route(call(view, "10.1.0.1:80"), view, _ -> false, RouteTrace.OFF);
    if (result instanceof Route.DoubleHbone twice) {
      assertEquals(
          List.of(
              "spiffe://td/ns/gw/sa/one",
              "spiffe://more/ns/gw/sa/one",
              "spiffe://other/ns/gw/sa/one"),
          twice.gateway().acceptedIdentities());
      assertEquals(
          List.of(
              "spiffe://td/ns/ns/sa/a",
              "spiffe://third/ns/ns/sa/b",
              "spiffe://more/ns/ns/sa/a",
              "spiffe://other/ns/ns/sa/a"),
          twice.innerIdentities());
    } else {
      throw new AssertionError(text(result));
    }
  }

  private static final String BY_SERVICE = "gw/gw";
  private static final String FAR =
      """
      - {uid: far, namespace: ns, network: n2, workloadIps: [], protocol: HBONE,
         services: {ns/svc: {}}, networkGateway: {destination: '%s', hboneMtlsPort: %d}}
      """;
  private static final String AS_IT_WAS = "{uid: gw, namespace: gw, serviceAccount: one, ";

  /** Of a gateway that is named as 15008 at first, and accepted as one and extra. */
  private static MeshView withGateway(String far, String gateway, String service) {
    return TestMesh.view(
        mesh(
            far
                + """
                - %s trustDomain: td, network: n2, workloadIps: [192.0.2.1], hostname: gw.host,
                   services: {gw/gw: {}}}
                - {uid: NetworkGateway/n2/192.0.2.2/0, namespace: gw, network: n2,
                   workloadIps: [192.0.2.2], services: {gw/gw: {}}}
                """
                    .formatted(gateway),
            service("", "80: 8080") + service));
  }

  private static String gatewayService(String ports, String names) {
    return """
    - {name: gw, namespace: gw, hostname: gw, vips: [], ports: {%s}, subjectAltNames: [%s]}
    """
        .formatted(ports, names);
  }

  @ParameterizedTest(name = "{0} port {1}, {2}, {3}, {4}: {5}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          n2/192.0.2.1 | 15008 | 15008: 15008, 15009: 15008 | spiffe://td/ns/gw/sa/extra | one   | false
          n2/192.0.2.1 | 15009 | 15008: 15008, 15009: 15008 | spiffe://td/ns/gw/sa/extra | one   | true
          n2/192.0.2.1 | 15008 | 15008: 15008, 15009: 15008 | spiffe://td/ns/gw/sa/other | one   | false
          n2/192.0.2.1 | 15008 | 15008: 15008, 15009: 15008 | spiffe://td/ns/gw/sa/extra | other | true
          gw/gw        | 15008 | 15008: 15008, 15009: 15008 | spiffe://td/ns/gw/sa/extra | one   | false
          gw/gw        | 15009 | 15008: 15008, 15009: 15008 | spiffe://td/ns/gw/sa/extra | one   | false
          gw/gw        | 15008 | 15008: 30008, 15009: 15008 | spiffe://td/ns/gw/sa/extra | one   | true
          gw/gw        | 15008 | 15008: 15008, 15009: 15008 | spiffe://td/ns/gw/sa/other | one   | true
          gw/gw        | 15008 | 15008: 15008, 15009: 15008 | spiffe://td/ns/gw/sa/extra | other | true
          """)
  void aGatewayMayBeDialledInAnotherWayByNow(
      String named, int port, String ports, String names, String account, boolean otherwise) {
    MeshView before =
        withGateway(
            FAR.formatted(named, 15008),
            AS_IT_WAS,
            gatewayService("15008: 15008, 15009: 15008", "spiffe://td/ns/gw/sa/extra"));
    MeshView now =
        withGateway(
            FAR.formatted(named, port),
            "{uid: gw, namespace: gw, serviceAccount: %s, ".formatted(account),
            gatewayService(ports, names));
    assertEquals(otherwise, isGatewayOtherwise(before, now));
  }

  /** Nobody would go there by another way. */
  @Test
  void aGatewayThatIsNamedNoLongerIsNotDialledInAnotherWay() {
    String service = gatewayService("15008: 15008", "");
    MeshView before = withGateway(FAR.formatted(BY_SERVICE, 15008), AS_IT_WAS, service);
    assertFalse(isGatewayOtherwise(before, withGateway("", AS_IT_WAS, service)), "no endpoint");
    assertFalse(
        isGatewayOtherwise(
            before, withGateway(FAR.formatted("n2/192.0.2.2", 30008), AS_IT_WAS, service)),
        "another gateway");
    assertFalse(
        isGatewayOtherwise(before, withGateway(FAR.formatted(BY_SERVICE, 15008), AS_IT_WAS, "")),
        "no service");
  }

  private static boolean isGatewayOtherwise(MeshView before, MeshView now) {
    OutboundCall call = call(before, "10.1.0.1:80");
    RouteResult route =
        router().route(call, before, "NetworkGateway/n2/192.0.2.2/0"::equals, RouteTrace.OFF);
    if (route instanceof Route.DoubleHbone twice) {
      assertEquals("gw", twice.gateway().workload().uid());
      return router().isGatewayOtherwise(twice, call, now);
    }
    throw new AssertionError(text(route));
  }

  /** The control plane gives them in any order; tunnels are shared by those who accept the same. */
  @ParameterizedTest
  @CsvSource({
    "spiffe://td/ns/ns/sa/a spiffe://td/ns/ns/sa/b",
    "spiffe://td/ns/ns/sa/b spiffe://td/ns/ns/sa/a",
    "spiffe://td/ns/ns/sa/b spiffe://td/ns/ns/sa/a spiffe://td/ns/ns/sa/b",
  })
  void theOrderOfSubjectAltNamesMakesNoOtherPeer(String names) {
    String endpoints =
        """
        - {uid: far, namespace: ns, network: n2, workloadIps: [], protocol: HBONE,
           services: {ns/svc: {}}, networkGateway: {destination: n2/192.0.2.1, hboneMtlsPort: 15008}}
        - {uid: gw, namespace: gw, serviceAccount: one, trustDomain: td, network: n2,
           workloadIps: [192.0.2.1], services: {}}
        """;
    String service = service("subjectAltNames: [%s]".formatted(names.replace(" ", ", ")), "80: 80");
    MeshView far = TestMesh.view(mesh(endpoints, service));
    MeshView near = TestMesh.view(mesh(pod("dst", "10.0.0.2", "{ns/svc: {}}"), service));
    if (router().route(call(far, "10.1.0.1:80"), far, _ -> false, RouteTrace.OFF)
            instanceof Route.DoubleHbone twice
        && router().route(call(near, "10.1.0.1:80"), near, _ -> false, RouteTrace.OFF)
            instanceof Route.Hbone once) {
      assertEquals(
          List.of("spiffe://td/ns/ns/sa/a", "spiffe://td/ns/ns/sa/b"), twice.innerIdentities());
      assertEquals(
          List.of("spiffe://td/ns/ns/sa/a", "spiffe://td/ns/ns/sa/b", "spiffe://td/ns/ns/sa/dst"),
          once.hop().acceptedIdentities());
    } else {
      throw new AssertionError("not by a tunnel, or not through the gateway");
    }
  }

  private static final String GATEWAYS =
      """
      - {uid: far, namespace: ns, network: n2, workloadIps: [], protocol: HBONE,
         services: {ns/svc: {}}, networkGateway: {destination: n2/192.0.2.1, hboneMtlsPort: 15009}}
      - {uid: NetworkGateway/n2/192.0.2.1/15009, namespace: gw, serviceAccount: one, trustDomain: td,
         network: n2, workloadIps: [192.0.2.1], services: {}}
      - {uid: NetworkGateway/n2/192.0.2.2/0, namespace: gw, serviceAccount: two, trustDomain: td,
         network: n2, workloadIps: [192.0.2.2], services: {}}
      - {uid: NetworkGateway/n2/lb/30008, namespace: gw, serviceAccount: three, trustDomain: td,
         network: n2, workloadIps: [192.0.2.3], services: {}}
      - {uid: NetworkGateway/n2/nowhere/0, namespace: gw, serviceAccount: four, trustDomain: td,
         network: n2, workloadIps: [], services: {}}
      - {uid: NetworkGateway/n3/192.0.2.5/0, namespace: gw, serviceAccount: five, trustDomain: td,
         network: n3, workloadIps: [192.0.2.5], services: {}}
      """;

  /** Gateways by the last digit of their addresses. */
  @ParameterizedTest(name = "set aside {0}, failed {1}: {2}, others {3}")
  @CsvSource({
    "'',  '',  123, 2",
    "1,   '',  23,  2",
    "12,  '',  3,   2",
    "123, '',  123, 2",
    "'',  1,   23,  1",
    "2,   1,   3,   1",
    "'',  12,  3,   0",
    "3,   12,  3,   0",
    "'',  123, 123, 0",
  })
  void allGatewaysIntoANetworkAreUsedTogether(
      String aside, String failed, String expected, int others) {
    MeshView view = TestMesh.view(mesh(GATEWAYS, service("", "80: 8080")));
    Map<String, String> uids =
        Map.of(
            "1", "NetworkGateway/n2/192.0.2.1/15009",
            "2", "NetworkGateway/n2/192.0.2.2/0",
            "3", "NetworkGateway/n2/lb/30008");
    Set<String> chosen = new TreeSet<>();
    for (int i = 0; i < 200; i++) {
      RouteResult result =
          router()
              .route(
                  new OutboundCall(
                      TestMesh.workload(view, "source"),
                      TestMesh.ip("10.0.0.1"),
                      TestMesh.socket("10.1.0.1:80"),
                      uids(uids, failed)),
                  view,
                  uids(uids, aside)::contains,
                  RouteTrace.OFF);
      if (result instanceof Route.DoubleHbone twice) {
        chosen.add(
            IpText.of(twice.gateway().address()) + " " + twice.gateway().acceptedIdentities());
        assertEquals(others, twice.gateway().otherEndpoints());
        assertEquals(List.of(twice.gateway().workload().uid()), twice.gateway().keys());
      } else {
        throw new AssertionError(text(result));
      }
    }
    Map<String, String> hops =
        Map.of(
            "1", "192.0.2.1:15009 [spiffe://td/ns/gw/sa/one]",
            "2", "192.0.2.2:15008 [spiffe://td/ns/gw/sa/two]",
            "3", "192.0.2.3:30008 [spiffe://td/ns/gw/sa/three]");
    assertEquals(new TreeSet<>(uids(hops, expected)), chosen);
  }

  private static Set<String> uids(Map<String, String> by, String digits) {
    return digits
        .chars()
        .mapToObj(digit -> Objects.requireNonNull(by.get(String.valueOf((char) digit))))
        .collect(Collectors.toSet());
  }

  @ParameterizedTest(name = "set aside {0}: {1}")
  @CsvSource({
    "'',          near",
    "near,        double",
    "near 1,      double",
    "near 1 2 3,  near",
    "1 2 3,       near",
  })
  void anEndpointBehindGatewaysIsAsGoodAsTheBestOfThem(String aside, String expected) {
    MeshView view =
        TestMesh.view(
            mesh(
                GATEWAYS + pod("near", "10.0.0.2", "{ns/svc: {}}"),
                service(
                    "loadBalancer: {routingPreferences: [Network], mode: Failover, healthPolicy:"
                        + " OnlyHealthy}",
                    "80: 8080")));
    Map<String, String> uids =
        Map.of(
            "near", "near",
            "1", "NetworkGateway/n2/192.0.2.1/15009",
            "2", "NetworkGateway/n2/192.0.2.2/0",
            "3", "NetworkGateway/n2/lb/30008");
    Set<String> avoided = new TreeSet<>();
    for (String word : aside.split(" ", -1)) {
      avoided.add(uids.getOrDefault(word, ""));
    }
    Set<String> chosen = new TreeSet<>();
    for (int i = 0; i < 50; i++) {
      chosen.add(
          decide(view, "10.1.0.1:80", avoided::contains, RouteTrace.OFF) instanceof Route.Hbone
              ? "near"
              : "double");
    }
    assertEquals(Set.of(expected), chosen);
  }

  @Test
  void whereTheNamedGatewayIsNotKnownTheOthersAreUsed() {
    MeshView view =
        TestMesh.view(
            mesh(
                GATEWAYS.replace("destination: n2/192.0.2.1", "destination: n2/192.0.2.99"),
                service("", "80: 8080")));
    Set<String> chosen = new TreeSet<>();
    for (int i = 0; i < 200; i++) {
      RouteResult result = decide(view, "10.1.0.1:80", _ -> false, RouteTrace.OFF);
      if (result instanceof Route.DoubleHbone twice) {
        chosen.add(IpText.of(twice.gateway().address()));
        assertEquals(2, twice.gateway().otherEndpoints());
      } else {
        throw new AssertionError(text(result));
      }
    }
    assertEquals(Set.of("192.0.2.1:15009", "192.0.2.2:15008", "192.0.2.3:30008"), chosen);
  }

  @ParameterizedTest(name = "{0}, in either order")
  @CsvSource({
    "'workloadIps: [192.0.2.1]',                   n2/192.0.2.1",
    "'workloadIps: [], hostname: gw.example.com', gw/gw.example.com",
  })
  void gatewaysAtPortsOfOneAddressAreToldApart(String where, String named) {
    String gateway =
        "- {uid: NetworkGateway/n2/x/%1$s, namespace: gw, serviceAccount: at-%1$s, trustDomain: td,"
            + " network: n2, services: {}, %2$s}\n";
    String far =
        """
        - {uid: far, namespace: ns, network: n2, workloadIps: [], protocol: HBONE,
           services: {ns/svc: {}}, networkGateway: {destination: %s, hboneMtlsPort: 31001}}
        """
            .formatted(named);
    for (List<String> order : List.of(List.of("31001", "31002"), List.of("31002", "31001"))) {
      MeshView view =
          TestMesh.view(
              mesh(
                  far
                      + gateway.formatted(order.getFirst(), where)
                      + gateway.formatted(order.getLast(), where),
                  service("", "80: 8080")));
      Set<String> chosen = new TreeSet<>();
      for (int i = 0; i < 100; i++) {
        RouteResult result = decide(view, "10.1.0.1:80", _ -> false, RouteTrace.OFF);
        if (result instanceof UnresolvedRoute name) {
          result = name.resolved(List.of(TestMesh.ip("192.0.2.1")), new Random());
        }
        if (result instanceof Route.DoubleHbone twice) {
          chosen.add(IpText.of(twice.gateway().address()) + twice.gateway().acceptedIdentities());
        } else {
          throw new AssertionError(text(result));
        }
      }
      assertEquals(
          Set.of(
              "192.0.2.1:31001[spiffe://td/ns/gw/sa/at-31001]",
              "192.0.2.1:31002[spiffe://td/ns/gw/sa/at-31002]"),
          chosen);
    }
  }

  @ParameterizedTest(name = "{0}: {1}")
  @CsvSource({
    "n2/192.0.2.99, nobody has the address",
    "gw/nobody,     nobody has the name",
    "gw/gw,         a service without endpoints",
  })
  void anEndpointWhoseGatewayIsNotKnownIsTheLastToBeChosen(String gateway, String why) {
    String far =
        """
        - {uid: far, namespace: ns, network: n2, workloadIps: [], protocol: HBONE, capacity: 1000,
           services: {ns/svc: {}}, networkGateway: {destination: %s, hboneMtlsPort: 15008}}
        """
            .formatted(gateway);
    String[] services = {
      service("", "80: 8080"), "- {name: gw, namespace: gw, hostname: gw, vips: [], ports: {}}\n"
    };
    MeshView both = TestMesh.view(mesh(far + pod("near", "10.0.0.2", "{ns/svc: {}}"), services));
    for (int i = 0; i < 50; i++) {
      String aside = i % 2 == 0 ? "" : "near";
      if (decide(both, "10.1.0.1:80", aside::equals, RouteTrace.OFF) instanceof Route.Hbone near) {
        assertEquals(0, near.hop().otherEndpoints(), "the other one is no choice: " + why);
      } else {
        throw new AssertionError(why);
      }
    }
    RecordedSteps trace = new RecordedSteps();
    RouteResult _ = decide(both, "10.1.0.1:80", _ -> false, trace);
    assertTrue(
        trace.take().contains(new RouteStep.EndpointJudged("far", EndpointFate.NO_GATEWAY, 0)));
    assertEquals("no gateway " + gateway, route("10.1.0.1:80", far, services));
  }

  @ParameterizedTest(name = "set aside {0}, failed {1}: {2}, others {3}, avoided by {4}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          ''                      | ''        | 192.0.2.7 192.0.2.8           | 2 | one
          192.0.2.7               | ''        | 192.0.2.8                     | 2 | one
          192.0.2.7 192.0.2.8     | ''        | fd00::7                       | 2 | both
          192.0.2.7 fd00::7       | ''        | 192.0.2.8                     | 2 | both
          ''                      | 192.0.2.7 | 192.0.2.8                     | 1 | one
          192.0.2.8 fd00::7       | 192.0.2.7 | 192.0.2.8                     | 1 | both
          192.0.2.7:8080          | ''        | 192.0.2.8                     | 2 | one
          192.0.2.7:8443          | ''        | 192.0.2.7 192.0.2.8           | 2 | one
          """)
  void ofTheAddressesOfANameThoseThatFailedAreAvoided(
      String aside, String failed, String expected, int others, String keys) {
    MeshView view =
        TestMesh.view(
            mesh(
                """
                - {uid: dst, name: dst, namespace: ns, network: n1, workloadIps: [],
                   hostname: dst.example.com, protocol: HBONE, services: {ns/svc: {}}}
                """,
                service("", "80: 8080")));
    Set<String> asideKeys = addresses(aside);
    OutboundCall call =
        new OutboundCall(
            TestMesh.workload(view, "source"),
            TestMesh.ip("10.0.0.1"),
            TestMesh.socket("10.1.0.1:80"),
            addresses(failed));
    Set<String> chosen = new TreeSet<>();
    for (int i = 0; i < 100; i++) {
      if (router().route(call, view, asideKeys::contains, RouteTrace.OFF)
              instanceof UnresolvedRoute unresolved
          && unresolved.resolved(
                  List.of(
                      TestMesh.ip("fd00::7"), TestMesh.ip("192.0.2.7"), TestMesh.ip("192.0.2.8")),
                  RANDOM)
              instanceof Route.Hbone hbone) {
        Hop hop = hbone.hop();
        String ip = IpText.of(hop.address().getAddress());
        chosen.add(ip);
        assertEquals(others, hop.otherEndpoints());
        assertEquals(
            keys.equals("both") ? List.of("dst#" + ip, "dst") : List.of("dst#" + ip), hop.keys());
      } else {
        throw new AssertionError("not left to be resolved");
      }
    }
    assertEquals(expected, String.join(" ", chosen));
  }

  private static Set<String> addresses(String text) {
    Set<String> keys = new TreeSet<>();
    for (String ip : text.split(" ", -1)) {
      keys.add("dst#" + ip);
    }
    return keys;
  }

  @Test
  void aWorkloadOfThisNetworkBehindAGatewayOnlyIsNoDestination() {
    assertEquals(
        "no upstream 10.1.0.1:80",
        route(
            "10.1.0.1:80",
            """
            - {uid: dst, namespace: ns, network: n1, workloadIps: [], services: {ns/svc: {}},
               networkGateway: {destination: n1/192.0.2.1, hboneMtlsPort: 15008}}
            """,
            service("", "80: 8080")));
    assertEquals(
        "no destination Workload{dst with uid dst (TCP)}",
        route(
            "10.1.0.1:80",
            """
            - {uid: dst, name: dst, namespace: ns, network: n1, workloadIps: ['fd00::2'], services: {ns/svc: {}}}
            """,
            service("ipFamilies: IPv4", "80: 8080")),
        "no address of a family that the service allows");
  }

  @Test
  void onlyServicesOfferOtherEndpoints() {
    String pods = pod("a", "10.0.0.2", "{ns/svc: {}}") + pod("b", "10.0.0.3", "{ns/svc: {}}");
    String service = service("", "80: 8080");
    assertEquals(1, otherEndpoints(mesh(pods, service), "10.1.0.1:80"));
    assertEquals(0, otherEndpoints(mesh(pods, service), "10.0.0.2:80"));
    assertEquals(
        0,
        otherEndpoints(mesh(pod("a", "10.0.0.2", "{ns/svc: {}}"), service), "10.1.0.1:80"),
        "the only one");
  }

  @Test
  void endpointsSetAsideAreAvoidedWhileThereAreOthers() {
    MeshView view =
        TestMesh.view(
            mesh(
                pod("a", "10.0.0.2", "{ns/svc: {}}") + pod("b", "10.0.0.3", "{ns/svc: {}}"),
                service("", "80: 8080")));
    for (int i = 0; i < 20; i++) {
      assertEquals("b", chosen(decide(view, "10.1.0.1:80", Set.of("a")::contains, RouteTrace.OFF)));
    }
    RouteResult allAside = decide(view, "10.1.0.1:80", Set.of("a", "b")::contains, RouteTrace.OFF);
    assertTrue(Set.of("a", "b").contains(chosen(allAside)), "better one of them than none");
    assertEquals(
        "a",
        chosen(decide(view, "10.0.0.2:80", Set.of("a")::contains, RouteTrace.OFF)),
        "an address means that pod");
  }

  @Test
  void tellsItsSteps() {
    RecordedSteps trace = new RecordedSteps();
    MeshView view =
        TestMesh.view(
            mesh(
                pod("a", "10.0.0.2", "{ns/svc: {}}")
                    + pod("b", "10.0.0.3", "{ns/svc: {}}")
                    + pod("c", "10.0.0.4", "{ns/svc: {}}"),
                service("", "80: 8080")));
    RouteResult result =
        router()
            .route(
                new OutboundCall(
                    TestMesh.workload(view, "source"),
                    TestMesh.ip("10.0.0.1"),
                    TestMesh.socket("10.1.0.1:80"),
                    Set.of("b")),
                view,
                Set.of("c")::contains,
                trace);
    assertEquals("a", chosen(result));
    Service service = Objects.requireNonNull(view.service(TestMesh.key("ns/svc")));
    assertEquals(
        List.of(
            new RouteStep.AddressKnown(TestMesh.address("n1/10.1.0.1"), "ns", service),
            new RouteStep.ServiceEntered(service, 80),
            new RouteStep.EndpointJudged("a", EndpointFate.USABLE, 0),
            new RouteStep.EndpointJudged("b", EndpointFate.FAILED_ALREADY, 0),
            new RouteStep.EndpointJudged("c", EndpointFate.SET_ASIDE, 0),
            new RouteStep.EndpointChosen(service, 80, TestMesh.workload(view, "a"), 8080, 3, 2),
            new RouteStep.AddressSelected(TestMesh.workload(view, "a"), TestMesh.ip("10.0.0.2"))),
        trace.take());
  }

  private static Random seeded() {
    long seed = new Random().nextLong();
    System.out.println("router: seed " + seed);
    return new Random(seed);
  }

  private static int otherEndpoints(String mesh, String target) {
    RouteResult result = decide(TestMesh.view(mesh), target, _ -> false, RouteTrace.OFF);
    return result instanceof Route.Hbone hbone ? hbone.hop().otherEndpoints() : -1;
  }

  private static @Nullable String chosen(RouteResult result) {
    return result instanceof Route.Hbone hbone ? hbone.hop().workload().uid() : null;
  }

  private static String weighted(long a, long b) {
    return """
        weightedWaypoints: [
          {destination: {destination: ns/a, hboneMtlsPort: 1}, weight: %d},
          {destination: {destination: ns/b, hboneMtlsPort: 1}, weight: %d}]\
        """
        .formatted(a, b);
  }

  private static String pod(String name, String ips, String services) {
    return """
        - {uid: %s, namespace: ns, serviceAccount: %s, trustDomain: td, network: n1, workloadIps: [%s],
           protocol: HBONE, services: %s}
        """
        .formatted(name, name, ips, services);
  }

  private static String waypointPod(String ips, String more) {
    return """
        - {uid: wp, namespace: ns, serviceAccount: wp, trustDomain: td, network: n1, workloadIps: [%s],
           protocol: HBONE, hostname: wp.host, services: {ns/wp: {}} %s}
        """
        .formatted(ips, more);
  }

  /** Service ns/svc at 10.1.0.1 and fd00::a. */
  private static String service(String more, String ports) {
    return """
        - {name: svc, namespace: ns, hostname: svc, vips: [n1/10.1.0.1, "n1/fd00::a"], ports: {%s} %s}
        """
        .formatted(ports, more.isEmpty() ? "" : ", " + more);
  }

  private static String mesh(String workloads, String... services) {
    return "workloads:\n%s%s\nservices:\n%s"
        .formatted(SOURCE, workloads, services.length == 0 ? "  []" : String.join("", services));
  }

  private static String route(String target, String workloads, String... services) {
    return text(
        decide(TestMesh.view(mesh(workloads, services)), target, _ -> false, RouteTrace.OFF));
  }

  private static RouteResult decide(
      MeshView view, String target, Predicate<String> aside, RouteTrace trace) {
    return router().route(call(view, target), view, aside, trace);
  }

  private static OutboundCall call(MeshView view, String target) {
    return new OutboundCall(
        TestMesh.workload(view, "source"), TestMesh.ip("10.0.0.1"), TestMesh.socket(target));
  }

  private static OutboundRouter router(String... aliases) {
    return new OutboundRouter(
        new OutboundSettings(
            "n1",
            15008,
            new ReservedPorts(Set.of(15001, 15006, 15008)),
            new TrustDomainAliases(Set.of(aliases))),
        () -> RANDOM);
  }

  private static String text(RouteResult result) {
    return switch (result) {
      case RouteFailure.SelfCall _ -> "self call";
      case RouteFailure.NoHealthyUpstream none -> "no upstream " + IpText.of(none.target());
      case RouteFailure.NoService none -> "no service " + IpText.of(none.target());
      case RouteFailure.NoValidDestination none -> "no destination " + none.workload();
      case RouteFailure.UnknownWaypoint unknown -> "no waypoint " + unknown.waypoint();
      case RouteFailure.UnknownNetworkGateway unknown -> "no gateway " + unknown.gateway();
      case RouteFailure.EmptyResolvedAddresses empty ->
          "resolved to nothing " + empty.workloadUid();
      case RouteFailure.NoResolvedAddresses none -> "not resolved " + none.workloadUid();
      case UnresolvedRoute unresolved -> "resolve " + unresolved.hostname();
      case Route.Passthrough passthrough -> "passthrough " + IpText.of(passthrough.target());
      case Route.DirectTcp tcp -> "tcp " + text(tcp.hop(), "") + reported(tcp.service());
      case Route.Hbone hbone ->
          "hbone " + text(hbone.hop(), hbone.authority() + " ") + reported(hbone.service());
      case Route.DoubleHbone twice ->
          "double %s %s %s %s %s for %s"
              .formatted(
                  IpText.of(twice.gateway().address()),
                  twice.authority(),
                  twice.gateway().acceptedIdentities(),
                  twice.innerIdentities(),
                  twice.gateway().workload().uid(),
                  twice.service().name());
    };
  }

  private static String text(Hop hop, String authority) {
    return "%s %s%s %s"
        .formatted(
            IpText.of(hop.address()), authority, hop.acceptedIdentities(), hop.workload().uid());
  }

  private static String reported(@Nullable ServiceName service) {
    return service == null ? "" : " for " + service.name();
  }
}
