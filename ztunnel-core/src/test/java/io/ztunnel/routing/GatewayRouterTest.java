package io.ztunnel.routing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.hbone.Authority;
import io.ztunnel.mesh.IpText;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.NamespacedHostname;
import io.ztunnel.mesh.TestMesh;
import java.util.ArrayList;
import java.util.IntSummaryStatistics;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class GatewayRouterTest {
  private static final String SANS = "subjectAltNames: ['spiffe://cluster.local/ns/ns/sa/a']";

  /** A gateway into network here; everything of network far is behind another gateway. */
  private static final MeshView VIEW =
      TestMesh.view(
          """
          workloads:
          - {uid: a, namespace: ns, workloadIps: [10.0.0.1, "fd00::1"], network: here, protocol: HBONE,
             services: {ns/sans: {80: 8080}, ns/dns: {}, ns/entry: {}, ns/seen: {}, ns/vip: {}, ns/v6: {}, ns/local: {}, ns/named: {80: 8080}, ns/hidden: {}, ns/same: {}}}
          - {uid: far, namespace: ns, workloadIps: [], network: far, protocol: HBONE, capacity: 1000,
             networkGateway: {destination: far/10.9.9.9, hboneMtlsPort: 15008}, services: {ns/seen: {}, ns/empty: {}}}
          - {uid: plain, namespace: ns, workloadIps: [10.0.0.2], network: here, services: {ns/plain: {}}}
          - {uid: native, namespace: ns, workloadIps: [10.0.0.3], network: here, nativeTunnel: true, services: {ns/native: {}}}
          - {uid: nameless, namespace: ns, workloadIps: [], hostname: h, network: here, protocol: HBONE, services: {ns/nameless: {}}}
          - {uid: sick, namespace: ns, workloadIps: [10.0.0.4], network: here, protocol: HBONE, status: Unhealthy,
             services: {ns/sick: {}, ns/sick-too: {}}}
          - {uid: wp, namespace: ns, workloadIps: [10.0.0.5], network: here, services: {ns/wp: {15008: 15008}}}
          - {uid: wp-far, namespace: ns, workloadIps: [10.0.0.6], network: far, services: {}}
          - {uid: behind, namespace: ns, workloadIps: [10.0.0.7], network: here, protocol: HBONE,
             services: {ns/by-name: {}, ns/by-vip: {}, ns/by-pod: {}, ns/lost: {}, ns/by-far-pod: {}, ns/in: {}, ns/weighted: {}}}
          services:
          - {name: sans, namespace: ns, hostname: sans, vips: [here/10.1.0.1], ports: {80: 80, 90: 9090}, SANS}
          - {name: dns, namespace: ns, hostname: dns, vips: [], ports: {80: 80}, subjectAltNames: [dns.example.com]}
          - {name: entry, namespace: ns, hostname: entry, vips: [], ports: {80: 80},
             subjectAltNames: ['spiffe://cluster.local/ns/other/sa/a']}
          - {name: seen, namespace: ns, hostname: seen, vips: [here/10.1.0.2], ports: {80: 80}}
          - {name: vip, namespace: ns, hostname: vip, vips: [here/10.1.0.3, far/10.1.0.1], ports: {80: 80}}
          - {name: v6, namespace: ns, hostname: v6, vips: [here/fd01::1], ports: {80: 80}, ipFamilies: IPv6, SANS}
          - {name: local, namespace: ns, hostname: local, vips: [here/10.1.0.4], ports: {80: 80}}
          - {name: named, namespace: ns, hostname: named, vips: [], ports: {80: 0}, SANS}
          - {name: hidden, namespace: ns, hostname: hidden, vips: [here/10.1.0.5], ports: {80: 80}, visibility: Namespace, SANS}
          - {name: same, namespace: other, hostname: same, vips: [], ports: {80: 80}}
          - {name: same, namespace: ns, hostname: same, vips: [], ports: {80: 80}, SANS}
          - {name: empty, namespace: ns, hostname: empty, vips: [], ports: {80: 80}, SANS}
          - {name: plain, namespace: ns, hostname: plain, vips: [], ports: {80: 80}, SANS}
          - {name: native, namespace: ns, hostname: native, vips: [], ports: {80: 80}, SANS}
          - {name: nameless, namespace: ns, hostname: nameless, vips: [], ports: {80: 80}, SANS}
          - {name: sick, namespace: ns, hostname: sick, vips: [], ports: {80: 80}, SANS}
          - {name: sick-too, namespace: ns, hostname: sick-too, vips: [], ports: {80: 80}, SANS,
             loadBalancer: {routingPreferences: [], mode: Standard, healthPolicy: AllowAll}}
          - {name: wp, namespace: ns, hostname: wp, vips: [here/10.1.0.9], ports: {15008: 15008}}
          - {name: by-name, namespace: ns, hostname: by-name, vips: [], ports: {80: 80}, SANS,
             waypoint: {destination: ns/wp, hboneMtlsPort: 15008}}
          - {name: by-vip, namespace: ns, hostname: by-vip, vips: [], ports: {80: 80}, SANS,
             waypoint: {destination: here/10.1.0.9, hboneMtlsPort: 15008}}
          - {name: by-pod, namespace: ns, hostname: by-pod, vips: [], ports: {80: 80}, SANS,
             waypoint: {destination: here/10.0.0.5, hboneMtlsPort: 15008}}
          - {name: by-far-pod, namespace: ns, hostname: by-far-pod, vips: [], ports: {80: 80}, SANS,
             waypoint: {destination: far/10.0.0.6, hboneMtlsPort: 15008}}
          - {name: lost, namespace: ns, hostname: lost, vips: [], ports: {80: 80}, SANS,
             waypoint: {destination: ns/nowhere, hboneMtlsPort: 15008}}
          - {name: in, namespace: ns, hostname: in, vips: [], ports: {80: 80}, SANS, ingressUseWaypoint: true,
             waypoint: {destination: ns/wp, hboneMtlsPort: 15008}}
          - {name: weighted, namespace: ns, hostname: weighted, vips: [], ports: {80: 80}, SANS,
             weightedWaypoints: [{destination: {destination: ns/wp, hboneMtlsPort: 15008}, weight: 1}]}
          """
              .replace("SANS", SANS));

  private final long seed = new Random().nextLong();
  private final Random random = new Random(seed);
  private final EndpointLoads loads = new EndpointLoads();

  private GatewayResult route(String exports, MeshView view, GatewayCall call) {
    return router(exports).route(call, loads.ofConnection(), view, uid -> false, RouteTrace.OFF);
  }

  private GatewayRouter router(String exports) {
    return new GatewayRouter(
        new GatewaySettings("here", 15008, Exports.parse(exports)), loads, () -> random);
  }

  private static GatewayCall call(String authority, @Nullable String istioSource) {
    return call(authority, istioSource, "client", Set.of());
  }

  private static GatewayCall call(
      String authority, @Nullable String istioSource, String namespace, Set<String> failed) {
    return new GatewayCall(
        Authority.parse(authority).orElseThrow(),
        GatewayCall.Caller.of(istioSource),
        namespace,
        null,
        failed);
  }

  private static String text(GatewayResult result) {
    return switch (result) {
      case GatewayRoute route -> route.endpoint().uid() + " " + IpText.of(route.address());
      case GatewayRefusal.UnknownService unknown -> "unknown " + unknown.authority();
      case GatewayRefusal.NotExported not -> "not exported " + not.service().key();
      case GatewayRefusal.UnknownPort port -> "no port " + port.port();
      case GatewayRefusal.UnknownWaypoint lost -> "no waypoint " + lost.waypoint();
      case GatewayRefusal.NoEndpoint none -> "no endpoint of " + none.chosenFrom().key();
    };
  }

  @ParameterizedTest(name = "{0} by {1}: {3}")
  @CsvSource(
      delimiter = '|',
      nullValues = "-",
      textBlock =
          """
          sans:80          | -        | a 10.0.0.1:15008         | global by its identities
          seen:80          | -        | a 10.0.0.1:15008         | global by an endpoint elsewhere, which is not chosen
          vip:80           | -        | a 10.0.0.1:15008         | global by an address elsewhere
          v6:80            | -        | a [fd00::1]:15008        | of the service's family
          named:80         | -        | a 10.0.0.1:15008         | a port that each endpoint names itself
          sans:90          | -        | a 10.0.0.1:15008         | whatever port of the service, the endpoint's is 15008
          same:80          | -        | a 10.0.0.1:15008         | of two of one name the one that is exported
          10.1.0.1:80      | -        | a 10.0.0.1:15008         | by its address in this network
          [fd01::1]:80     | -        | a [fd00::1]:15008        | by its IPv6 address
          10.1.0.3:80      | -        | a 10.0.0.1:15008         | by address, of this network only
          local:80         | -        | not exported ns/local    | of this network only
          10.1.0.4:80      | -        | not exported ns/local    | by address too
          dns:80           | -        | not exported ns/dns      | its names are no identities, but those of a ServiceEntry
          entry:80         | -        | not exported ns/entry    | pods of a service are of its namespace
          SANS:80          | -        | unknown SANS:80          | names are compared exactly
          nobody:80        | -        | unknown nobody:80        | no such name
          10.1.9.9:80      | -        | unknown 10.1.9.9:80      | no such address
          10.0.0.1:15008   | -        | unknown 10.0.0.1:15008   | the address of a pod
          hidden:80        | -        | unknown hidden:80        | not for clients of another namespace
          sans:81          | -        | no port 81               | a port that the service does not have
          empty:80         | -        | no endpoint of ns/empty  | only in another network
          plain:80         | -        | no endpoint of ns/plain  | takes no tunnels
          native:80        | -        | native 10.0.0.3:15008    | takes tunnels by itself
          nameless:80      | -        | no endpoint of ns/nameless | no address
          sick:80          | -        | no endpoint of ns/sick   | unhealthy
          sick-too:80      | -        | sick 10.0.0.4:15008      | unhealthy ones are allowed
          by-name:80       | -        | wp 10.0.0.5:15008        | a waypoint's service by name
          by-vip:80        | -        | wp 10.0.0.5:15008        | a waypoint's service by address
          by-pod:80        | -        | wp 10.0.0.5:15008        | a waypoint's pod
          weighted:80      | -        | wp 10.0.0.5:15008        | one of several waypoints
          by-name:80       | sidecar  | wp 10.0.0.5:15008        | a caller that has not done the waypoint's work
          by-name:80       | waypoint | behind 10.0.0.7:15008    | a waypoint has
          by-name:80       | gateway  | behind 10.0.0.7:15008    | an ingress gateway has
          in:80            | gateway  | wp 10.0.0.5:15008        | unless the service says otherwise
          in:80            | waypoint | behind 10.0.0.7:15008    | which concerns ingress gateways only
          by-name:80       | Waypoint | wp 10.0.0.5:15008        | the header's value is compared exactly
          lost:80          | -        | no waypoint ns/nowhere   | nothing goes around a waypoint that is not there
          by-far-pod:80    | -        | no waypoint far/10.0.0.6 | nor to one elsewhere
          """)
  void decides(String authority, @Nullable String istioSource, String expected, String why) {
    assertEquals(expected, text(route("", VIEW, call(authority, istioSource))), why);
  }

  @Test
  void aServiceForItsOwnNamespaceIsServedToClientsOfIt() {
    assertEquals(
        "a 10.0.0.1:15008", text(route("", VIEW, call("hidden:80", null, "ns", Set.of()))));
  }

  @Test
  void listedServicesAreServedWhateverIsSeenOfThemAndOthersAreNot() {
    assertEquals("a 10.0.0.1:15008", text(route("*/loc*", VIEW, call("local:80", null))));
    assertEquals("not exported ns/sans", text(route("*/loc*", VIEW, call("sans:80", null))));
  }

  private static MeshView endpoints(int number, String service, String... particulars) {
    StringBuilder mesh = new StringBuilder("workloads:\n");
    for (int i = 0; i < number; i++) {
      mesh.append(
          """
          - {uid: e%d, namespace: ns, workloadIps: [10.0.%d.%d], network: here, protocol: HBONE, services: {ns/svc: {}} %s}
          """
              .formatted(i, i / 250, i % 250, i < particulars.length ? ", " + particulars[i] : ""));
    }
    return TestMesh.view(
        mesh
            + "services:\n- {name: svc, namespace: ns, hostname: svc, vips: [], ports: {80: 80} %s}\n"
                .formatted(service.isEmpty() ? "" : ", " + service));
  }

  /** Each of a client of its own. */
  private Map<String, Integer> open(MeshView view, int tunnels, Predicate<String> setAside) {
    Map<String, Integer> reached = new TreeMap<>();
    for (int i = 0; i < tunnels; i++) {
      GatewayRoute route =
          assertInstanceOf(
              GatewayRoute.class,
              router("*/*")
                  .route(
                      call("svc:80", null), loads.ofConnection(), view, setAside, RouteTrace.OFF));
      loads.opened(route.load());
      reached.merge(route.endpoint().uid(), 1, Integer::sum);
    }
    return reached;
  }

  @Test
  void openTunnelsGoWhereTheFewestAre() {
    assertEquals(Map.of("e0", 5, "e1", 5, "e2", 5), open(endpoints(3, ""), 15, uid -> false));
    loads.closed(endpoint("e1"));
    loads.closed(endpoint("e1"));
    assertEquals(Map.of("e1", 2), open(endpoints(3, ""), 2, uid -> false));
  }

  @Test
  void tunnelsOfAnotherServiceToTheSameEndpointDoNotCount() {
    for (int i = 0; i < 100; i++) {
      loads.opened(new EndpointLoads.Key(new NamespacedHostname("ns", "other"), "e0"));
    }
    assertEquals(Map.of("e0", 5, "e1", 5, "e2", 5), open(endpoints(3, ""), 15, uid -> false));
  }

  @Test
  void capacityCounts() {
    assertEquals(
        Map.of("e0", 3, "e1", 12),
        open(endpoints(3, "", "capacity: 1", "capacity: 4", "capacity: 0"), 15, uid -> false));
  }

  /** Those of one connection of a client. */
  private Map<String, Integer> openOn(EndpointLoads own, MeshView view, int tunnels) {
    Map<String, Integer> reached = new TreeMap<>();
    for (int i = 0; i < tunnels; i++) {
      GatewayRoute route =
          assertInstanceOf(
              GatewayRoute.class,
              router("*/*").route(call("svc:80", null), own, view, uid -> false, RouteTrace.OFF));
      own.opened(route.load());
      reached.merge(route.endpoint().uid(), 1, Integer::sum);
    }
    return reached;
  }

  private static EndpointLoads.Key endpoint(String uid) {
    return new EndpointLoads.Key(new NamespacedHostname("ns", "svc"), uid);
  }

  @Test
  void theTunnelsOfOneClientAreSpreadWhateverOthersHave() {
    MeshView view = endpoints(3, "");
    for (int i = 0; i < 50; i++) {
      loads.opened(endpoint("e0"));
    }
    EndpointLoads own = loads.ofConnection();
    assertEquals(Map.of("e0", 2, "e1", 3, "e2", 3), openOn(own, view, 8));
    own.closed(endpoint("e1"));
    own.closed(endpoint("e1"));
    assertEquals(Map.of("e1", 1), openOn(own, view, 1));
    assertEquals(Map.of("e1", 1), openOn(own, view, 1), "it has the fewest");
    assertEquals(Map.of("e0", 1), openOn(own, view, 1), "the others have their share");
  }

  @Test
  void clientsWithFewTunnelsLoadAllEqually() {
    MeshView view = endpoints(3, "");
    for (int i = 0; i < 10; i++) {
      openOn(loads.ofConnection(), view, 4);
    }
    IntSummaryStatistics tunnels = loads.summary();
    assertEquals(40, tunnels.getSum());
    assertTrue(tunnels.getMax() - tunnels.getMin() <= 1, tunnels + ", seed " + seed);
  }

  @Test
  void theShareOfOneClientsTunnelsIsByCapacity() {
    MeshView view = endpoints(3, "", "capacity: 1", "capacity: 4", "capacity: 0");
    assertEquals(Map.of("e0", 2, "e1", 8), openOn(loads.ofConnection(), view, 10));
    for (int i = 0; i < 20; i++) {
      openOn(loads.ofConnection(), view, 2);
    }
    assertEquals(10, loads.of(endpoint("e0")), "of 50, seed " + seed);
  }

  @Test
  void whatIsCountedForAClientIsCountedForAll() {
    EndpointLoads own = loads.ofConnection();
    own.opened(endpoint("e0"));
    loads.ofConnection().opened(endpoint("e0"));
    assertEquals(1, own.of(endpoint("e0")));
    assertEquals(2, loads.of(endpoint("e0")));
    own.closed(endpoint("e0"));
    assertEquals(0, own.of(endpoint("e0")));
    assertEquals(1, loads.of(endpoint("e0")));
  }

  @Test
  void equalOnesHaveEqualChances() {
    Map<String, Integer> reached = new TreeMap<>();
    MeshView view = endpoints(3, "");
    for (int i = 0; i < 3_000; i++) {
      GatewayResult result =
          router("*/*")
              .route(
                  call("svc:80", null), loads.ofConnection(), view, uid -> false, RouteTrace.OFF);
      reached.merge(text(result), 1, Integer::sum);
    }
    // A share of 1000 has a standard deviation of 26.
    assertTrue(
        reached.size() == 3 && reached.values().stream().allMatch(n -> n > 850 && n < 1150),
        reached + ", seed " + seed);
  }

  @Test
  void amongManyTheLoadsStayNearlyEven() {
    Map<String, Integer> reached = open(endpoints(200, ""), 2_000, uid -> false);
    int most = reached.values().stream().mapToInt(Integer::intValue).max().orElseThrow();
    // By one draw the most loaded of 200 would have about 19 for a mean of 10.
    assertTrue(reached.size() == 200 && most <= 14, most + " of " + reached + ", seed " + seed);
  }

  @Test
  void ofManyTheFewThatCanBeUsedAreFound() {
    Map<String, Integer> reached = open(endpoints(200, ""), 20, uid -> !uid.equals("e7"));
    assertEquals(Map.of("e7", 20), reached);
  }

  @Test
  void nearOnesAreChosenWhateverTheirLoad() {
    String here = "locality: {region: r, zone: z, subzone: ''}";
    String near =
        "loadBalancer: {routingPreferences: [Network, Region, Zone], mode: Failover, healthPolicy: OnlyHealthy}";
    MeshView view = endpoints(3, near, here, here);
    MeshView own =
        TestMesh.view(
            "workloads:\n- {uid: gw, namespace: ns, network: here, workloadIps: [10.3.3.3], services: {}, "
                + here
                + "}\n");
    Set<String> reached = new TreeSet<>();
    for (int i = 0; i < 40; i++) {
      GatewayCall call =
          new GatewayCall(
              new Authority.Host("svc", 80),
              GatewayCall.Caller.NODE,
              null,
              own.workload("gw"),
              Set.of());
      GatewayRoute route =
          assertInstanceOf(
              GatewayRoute.class,
              router("*/*").route(call, loads.ofConnection(), view, uid -> false, RouteTrace.OFF));
      loads.opened(route.load());
      reached.add(route.endpoint().uid());
    }
    assertEquals(Set.of("e0", "e1"), reached);
  }

  @Test
  void whatFailedIsChosenOnlyWhenThereIsNoOther() {
    MeshView view = endpoints(3, "");
    List<String> order = new ArrayList<>();
    Set<String> failed = new TreeSet<>();
    for (int i = 0; i < 3; i++) {
      GatewayRoute route =
          assertInstanceOf(
              GatewayRoute.class,
              router("*/*")
                  .route(
                      call("svc:80", null, "client", failed),
                      loads.ofConnection(),
                      view,
                      uid -> uid.equals("e1"),
                      RouteTrace.OFF));
      order.add(route.endpoint().uid());
      assertEquals(2 - i, route.otherEndpoints());
      failed.add(route.endpoint().uid());
    }
    assertEquals("e1", order.getLast(), order + ", seed " + seed);
    assertEquals(Set.of("e0", "e1", "e2"), failed);
  }

  private String pass(String server, MeshView view, Set<String> failed) {
    TlsPassthrough asked = TlsPassthrough.parse("443:" + server, "cluster.local").getFirst();
    return text(router("").pass(asked, null, failed, view, uid -> uid.equals("aside")));
  }

  /** A control plane of this network, with a pod of another one and pods that cannot be used. */
  private static final MeshView SERVERS =
      TestMesh.view(
          """
          workloads:
          - {uid: pod, namespace: ns, workloadIps: [10.0.0.1], network: here, services: {ns/istiod.ns.svc.cluster.local: {15012: 15012, 443: 15017}}}
          - {uid: far, namespace: ns, workloadIps: [10.0.0.2], network: far, capacity: 1000, services: {ns/istiod.ns.svc.cluster.local: {15012: 15012}}}
          - {uid: aside, namespace: ns, workloadIps: [10.0.0.3], network: here, capacity: 1000, services: {ns/istiod.ns.svc.cluster.local: {15012: 15012}}}
          - {uid: sick, namespace: ns, workloadIps: [10.0.0.4], network: here, capacity: 1000, status: Unhealthy, services: {ns/istiod.ns.svc.cluster.local: {15012: 15012}}}
          - {uid: v6, namespace: ns, workloadIps: [10.0.0.5, "fd00::5"], network: here, services: {ns/outside.example: {}}}
          services:
          - {name: istiod, namespace: ns, hostname: istiod.ns.svc.cluster.local, vips: [here/10.1.0.1], ports: {15012: 0, 443: 0, 80: 0}}
          - {name: outside, namespace: ns, hostname: outside.example, vips: [], ports: {443: 8443}, ipFamilies: IPv6}
          - {name: alone, namespace: ns, hostname: alone.ns.svc.cluster.local, vips: [], ports: {443: 8443}}
          """);

  @ParameterizedTest(name = "{0}: {2}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          istiod.ns.svc:15012                | pod 10.0.0.1:15012 | a service by its short name, whether exported or not
          istiod.ns.svc.cluster.local:443    | pod 10.0.0.1:15017 | by its whole name, to the endpoint's own port
          istiod.ns.svc:80                   | no endpoint of ns/istiod.ns.svc.cluster.local | a port that no endpoint names
          istiod.ns.svc:81                   | no port 81 | a port that the service does not have
          outside.example:443                | v6 [fd00::5]:8443 | not of the cluster's domain; of the service's family
          alone.ns.svc:443                   | no endpoint of ns/alone.ns.svc.cluster.local | nobody serves it
          nowhere.ns.svc:443                 | unknown nowhere.ns.svc:443 | the name service may know it
          """)
  void aTlsConnectionGoesToTheTargetPortOfAnEndpointHere(
      String server, String expected, String why) {
    assertEquals(expected, pass(server, SERVERS, Set.of()), why);
  }

  @Test
  void aTlsConnectionTriesWhatFailedLatelyAfterTheOthers() {
    assertEquals("aside 10.0.0.3:15012", pass("istiod.ns.svc:15012", SERVERS, Set.of("pod")));
  }

  @Test
  void theStepsOfADecisionAreTold() {
    RecordedSteps trace = new RecordedSteps();
    loads.opened(new EndpointLoads.Key(new NamespacedHostname("ns", "seen"), "a"));
    GatewayRoute route =
        assertInstanceOf(
            GatewayRoute.class,
            router("")
                .route(call("seen:80", null), loads.ofConnection(), VIEW, uid -> false, trace));
    assertEquals(
        List.of(
            new RouteStep.ServiceNamed(new Authority.Host("seen", 80), route.service()),
            new RouteStep.ExportJudged(
                route.service(), true, "it has endpoints behind another network's gateway"),
            new RouteStep.ServiceEntered(route.service(), 80),
            new RouteStep.EndpointJudged("a", EndpointFate.USABLE, 0),
            new RouteStep.EndpointLoaded(1, 1),
            new RouteStep.EndpointJudged("far", EndpointFate.ELSEWHERE, 0),
            new RouteStep.LeastLoadedChosen(route.endpoint(), 1)),
        trace.take());
    router("").route(call("in:80", "waypoint"), loads.ofConnection(), VIEW, uid -> false, trace);
    router("").route(call("local:80", null), loads.ofConnection(), VIEW, uid -> false, trace);
    router("*/nothing")
        .route(call("sans:80", null), loads.ofConnection(), VIEW, uid -> false, trace);
    router("").route(call("sans:81", null), loads.ofConnection(), VIEW, uid -> false, trace);
    List<RouteStep> steps = trace.take();
    assertEquals(
        List.of(
            "ServiceNamed",
            "ExportJudged",
            "WaypointNotPassed",
            "ServiceEntered",
            "EndpointJudged",
            "LeastLoadedChosen",
            "ServiceNamed",
            "ExportJudged",
            "ServiceNamed",
            "ExportJudged",
            "ServiceNamed",
            "ExportJudged",
            "PortUnknown"),
        steps.stream().map(step -> step.getClass().getSimpleName()).toList());
    assertEquals(
        List.of(
            "it has identities of endpoints in another network",
            "nothing of it is seen in another network",
            "no pattern of GATEWAY_EXPORTS matches",
            "it has identities of endpoints in another network"),
        steps.stream()
            .flatMap(
                step ->
                    step instanceof RouteStep.ExportJudged judged
                        ? Stream.of(judged.reason())
                        : Stream.of())
            .toList());
  }
}
