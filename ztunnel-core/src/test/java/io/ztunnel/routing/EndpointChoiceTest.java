package io.ztunnel.routing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.TestMesh;
import io.ztunnel.mesh.Workload;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class EndpointChoiceTest {
  private final long seed = new Random().nextLong();
  private final Random random = new Random(seed);

  /** Endpoints are {@code name:network/region/zone}; the source is in n/r/z on node-a. */
  @ParameterizedTest(name = "{0} {1} of {2}: {3}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          Strict   | Network,Region,Zone | a:x/r/z b:n/x/z c:n/r/x d:x/x/x | -       | nobody has all
          Strict   | Network,Region,Zone | a:n/r/z b:n/r/x c:n/x/z         | a       | one has all
          Strict   | Network,Region,Zone | a:n/r/z b:n/r/z c:n/r/x         | a,b     | two have all
          Strict   | Region              | a:x/r/x b:n/x/z                 | a       | only what is asked for counts
          Failover | Network,Region,Zone | a:x/x/x b:x/x/x c:x/x/z d:x/x/z | a,b,c,d | nothing matches: a zone without its region is nothing
          Failover | Network,Region,Zone | a:n/r/z b:n/r/x c:n/x/x d:x/r/z | a       | all of them
          Failover | Network,Region,Zone | b:n/r/x c:n/x/x d:x/r/z e:n/r/x | b,e     | network and region
          Failover | Network,Region,Zone | c:n/x/x d:x/r/z e:x/x/x f:n/x/z g:n/x/x | c,f,g | this network beats a near one elsewhere
          Failover | Network,Region,Zone | d:x/r/z e:x/r/x f:x/x/z h:x/r/z | d,h     | elsewhere the nearest
          Failover | Region,Network      | a:n/x/x b:x/r/x                 | b       | network later in the list is nothing special
          Failover | Region,Zone         | a:n/x/z b:n/x/x                 | a,b     | the first mismatch ends it
          Failover | Node,Cluster        | a:n/r/z                         | a       | unknown is not this node
          Failover |                     | a:n/r/z b:x/x/x                 | a,b     | no preferences
          Standard | Network,Region,Zone | a:n/r/z b:x/x/x                 | a,b     | preferences do not count
          Passthrough | Network          | a:n/r/z b:x/x/x                 | a       | asked for by hostname it is as failover
          """)
  void choosesTheNearest(
      String mode, String preferences, String endpoints, String expected, String why) {
    StringBuilder workloads = new StringBuilder();
    for (String endpoint : endpoints.split(" ", -1)) {
      String[] parts = endpoint.split("[:/]", -1);
      workloads.append(
          """
          - {uid: %s, namespace: ns, network: %s, workloadIps: [10.0.0.9], services: {ns/svc: {}},
             locality: {region: %s, zone: %s, subzone: ''}}
          """
              .formatted(parts[0], parts[1], parts[2], parts[3]));
    }
    String balancer =
        ", loadBalancer: {routingPreferences: [%s], mode: %s, healthPolicy: OnlyHealthy}"
            .formatted(preferences == null ? "" : preferences, mode);
    Set<String> chosen = new TreeSet<>();
    for (int i = 0; i < 100; i++) {
      chosen.addAll(
          draw(view(workloads.toString(), balancer), 80, ResolutionMode.STANDARD).keySet());
    }
    assertEquals(
        expected, chosen.isEmpty() ? "-" : String.join(",", chosen), why + ", seed " + seed);
  }

  @ParameterizedTest(name = "{0}: {1}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          workloadIps: [10.0.0.9], network: n                                              | w | an address
          workloadIps: [], network: n                                                      | - | no address
          workloadIps: [], network: n, hostname: h                                         | w | a hostname
          workloadIps: [], network: n, networkGateway: {destination: a/b, hboneMtlsPort: 1} | - | a gateway of the own network
          workloadIps: [], network: x, networkGateway: {destination: a/b, hboneMtlsPort: 1} | w | a gateway of another network
          workloadIps: [], network: x                                                      | - | another network without gateway
          workloadIps: [10.0.0.9], network: n, capacity: 0                                 | - | no capacity
          workloadIps: [10.0.0.9], network: n, status: Unhealthy                           | - | unhealthy
          """)
  void choosesOnlyWhatCanBeReached(String workload, String expected, String why) {
    MeshView view =
        view("- {uid: w, namespace: ns, services: {ns/svc: {}}, %s}\n".formatted(workload), "");
    Map<String, Integer> chosen = draw(view, 80, ResolutionMode.STANDARD);
    assertEquals(expected, chosen.isEmpty() ? "-" : String.join(",", chosen.keySet()), why);
  }

  @Test
  void ignoresEndpointsWhoseWorkloadIsNotKnown() {
    MeshView view = view("", ", endpoints: {x: {workloadUid: x, port: {80: 80}, status: Healthy}}");
    assertEquals(Map.of(), draw(view, 80, ResolutionMode.STANDARD));
  }

  @ParameterizedTest(name = "port {0} {1} with tunnel [{2}]: {3}")
  @CsvSource({
    "80, STANDARD, '',                                                  w",
    "81, STANDARD, '',                                                  -",
    "81, STANDARD, 'applicationTunnel: {protocol: PROXY, port: 15088}', -",
    "80, WAYPOINT, '',                                                  w",
    "81, WAYPOINT, '',                                                  -",
    "81, WAYPOINT, 'applicationTunnel: {protocol: PROXY, port: 15088}', w",
    "81, WAYPOINT, 'applicationTunnel: {protocol: PROXY}',              w",
  })
  void thePortMustBeServed(int port, ResolutionMode mode, String tunnel, String expected) {
    MeshView view =
        view(
            "- {uid: w, namespace: ns, workloadIps: [10.0.0.9], network: n, services: {ns/svc: {}} %s}\n"
                .formatted(tunnel.isEmpty() ? "" : ", " + tunnel),
            "");
    Map<String, Integer> chosen = draw(view, port, mode);
    assertEquals(expected, chosen.isEmpty() ? "-" : String.join(",", chosen.keySet()));
  }

  @Test
  void drawsInProportionToCapacity() {
    MeshView view =
        view(
            """
            - {uid: a, namespace: ns, workloadIps: [10.0.0.1], network: n, capacity: 1, services: {ns/svc: {}}}
            - {uid: b, namespace: ns, workloadIps: [10.0.0.2], network: n, capacity: 3, services: {ns/svc: {}}}
            - {uid: c, namespace: ns, workloadIps: [10.0.0.3], network: n, capacity: 0, services: {ns/svc: {}}}
            - {uid: d, namespace: ns, workloadIps: [10.0.0.4], network: n, capacity: 4, services: {ns/svc: {}}}
            """,
            "");
    Map<String, Integer> chosen = new TreeMap<>();
    for (int i = 0; i < 8000; i++) {
      draw(view, 80, ResolutionMode.STANDARD)
          .forEach((uid, n) -> chosen.merge(uid, n, Integer::sum));
    }
    assertEquals(Set.of("a", "b", "d"), chosen.keySet());
    assertTrue(Math.abs(chosen.getOrDefault("a", 0) - 1000) < 200, "seed " + seed + " " + chosen);
    assertTrue(Math.abs(chosen.getOrDefault("b", 0) - 3000) < 300, "seed " + seed + " " + chosen);
  }

  @Test
  void failsOverToFartherOnesWhenTheNearAreSetAside() {
    MeshView view =
        view(
            """
            - {uid: near, namespace: ns, workloadIps: [10.0.0.1], network: n, services: {ns/svc: {}}}
            - {uid: far, namespace: ns, workloadIps: [10.0.0.2], network: x, services: {ns/svc: {}}}
            """,
            ", loadBalancer: {routingPreferences: [Network], mode: Failover, healthPolicy: OnlyHealthy}");
    assertEquals("near", chosen(view, _ -> false));
    assertEquals("far", chosen(view, "near"::equals));
    assertEquals("near", chosen(view, _ -> true));
    EndpointChoice choice = choice(view, "near"::equals);
    choice.choose();
    assertEquals(2, choice.candidates());
    assertEquals(1, choice.avoided());
    assertEquals(1, choice.others());
  }

  @ParameterizedTest(name = "set aside {0}, failed {1}: {2}, others {3}")
  @CsvSource({
    "'',    '',    abc, 2",
    "a,     '',    bc,  2",
    "abc,   '',    abc, 2",
    "'',    a,     bc,  1",
    "'',    ab,    c,   0",
    "a,     b,     c,   1",
    "ac,    b,     ac,  1",
    "abc,   b,     ac,  1",
    "'',    abc,   abc, 0",
    "abc,   abc,   abc, 0",
  })
  void avoidsFirstWhatFailedForThisConnectionThenWhatIsSetAside(
      String aside, String failed, String expected, int others) {
    MeshView view =
        view(
            """
            - {uid: a, namespace: ns, workloadIps: [10.0.0.1], network: n, services: {ns/svc: {}}}
            - {uid: b, namespace: ns, workloadIps: [10.0.0.2], network: n, services: {ns/svc: {}}}
            - {uid: c, namespace: ns, workloadIps: [10.0.0.3], network: n, services: {ns/svc: {}}}
            """,
            "");
    Set<String> failedUids = new TreeSet<>(List.of(failed.split("", -1)));
    Set<String> chosen = new TreeSet<>();
    for (int i = 0; i < 200; i++) {
      EndpointChoice choice =
          choice(view, 80, ResolutionMode.STANDARD, aside::contains, failedUids);
      chosen.add(Objects.requireNonNull(choice.choose()).uid());
      assertEquals(others, choice.others());
    }
    assertEquals(expected, String.join("", chosen));
  }

  /** Enough that endpoints are drawn, not gone through; those in n/r are nearest to the source. */
  private static MeshView many(String balancer) {
    StringBuilder workloads = new StringBuilder();
    for (int i = 0; i < 100; i++) {
      workloads.append(
          """
          - {uid: "%s-%d", namespace: ns, network: %s, workloadIps: [10.0.1.%d], capacity: %d,
             services: {ns/svc: {}}, locality: {region: %s, zone: z, subzone: ''}}
          """
              .formatted(
                  i < 40 ? "near" : "far",
                  i,
                  i < 40 ? "n" : "x",
                  i,
                  i % 4,
                  i % 2 == 0 ? "r" : "s"));
    }
    return view(workloads.toString(), balancer);
  }

  @Test
  void ofManyEachIsDrawnInProportionToItsCapacity() {
    MeshView view = many("");
    Map<String, Integer> chosen = new TreeMap<>();
    for (int i = 0; i < 15_000; i++) { // 100 for each unit of capacity
      draw(view, 80, ResolutionMode.STANDARD)
          .forEach((uid, n) -> chosen.merge(uid, n, Integer::sum));
    }
    for (int i = 0; i < 100; i++) {
      int drawn = chosen.getOrDefault((i < 40 ? "near-" : "far-") + i, 0);
      int expected = 100 * (i % 4);
      // Six standard deviations.
      assertTrue(
          Math.abs(drawn - expected) <= 6 * Math.sqrt(expected),
          "seed " + seed + " endpoint " + i + ": " + drawn);
    }
  }

  @ParameterizedTest(name = "{0}, set aside {1}, failed {2}: {3}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          Network            | -    | -    | near.*         | the nearest
          Network            | near | -    | far.*          | all near ones are set aside
          Network            | -    | near | far.*          | all near ones have failed
          Network            | 1    | 2    | near-[03-9]\\d? | some are set aside, some have failed
          Region             | -    | -    | .*[02468]      | half of them, near and far
          Network,Region     | -    | -    | near-.*[02468] | both
          Network,Region     | near | far  | near-.*[02468] | set aside is better than failed
          """)
  void ofManyTheNearestThatCanBeUsedIsDrawn(
      String preferences, String aside, String failed, String expected, String why) {
    MeshView view =
        many(
            ", loadBalancer: {routingPreferences: [%s], mode: Failover, healthPolicy: OnlyHealthy}"
                .formatted(preferences));
    Set<String> failedUids = new TreeSet<>();
    for (int i = 0; i < 100; i++) {
      String uid = (i < 40 ? "near-" : "far-") + i;
      if (uid.startsWith(failed) || uid.startsWith("near-" + failed)) {
        failedUids.add(uid);
      }
    }
    for (int i = 0; i < 300; i++) {
      EndpointChoice choice =
          choice(
              view,
              80,
              ResolutionMode.STANDARD,
              uid -> uid.startsWith(aside) || uid.startsWith("near-" + aside),
              failedUids);
      String chosen = Objects.requireNonNull(choice.choose()).uid();
      assertTrue(chosen.matches(expected), why + ": " + chosen + ", seed " + seed);
      assertTrue(choice.others() > 0);
    }
  }

  @Test
  void ofManyTheOnlyOneThatCanBeUsedIsFound() {
    EndpointChoice choice = choice(many(""), key -> !key.startsWith("far-77"));
    assertEquals("far-77", Objects.requireNonNull(choice.choose()).uid());
    assertEquals(75, choice.candidates(), "a quarter has no capacity");
    assertEquals(74, choice.avoided());
  }

  @Test
  void ofManyThatWereDrawnTheCountIsThereForThoseWhoAsk() {
    EndpointChoice choice = choice(many(""), uid -> uid.equals("near-1"));
    choice.choose();
    assertEquals(99, choice.others());
    assertEquals(75, choice.candidates());
    assertEquals(1, choice.avoided());
  }

  @Test
  void ofManyNoneIsChosenForAPortThatIsNotServed() {
    assertEquals(Map.of(), draw(many(""), 81, ResolutionMode.STANDARD));
    assertEquals(Map.of(), draw(many(""), 81, ResolutionMode.WAYPOINT));
  }

  private String chosen(MeshView view, Predicate<String> setAside) {
    return Objects.requireNonNull(choice(view, setAside).choose()).uid();
  }

  private EndpointChoice choice(MeshView view, Predicate<String> setAside) {
    return choice(view, 80, ResolutionMode.STANDARD, setAside);
  }

  private EndpointChoice choice(
      MeshView view, int port, ResolutionMode mode, Predicate<String> setAside) {
    return choice(view, port, mode, setAside, Set.of());
  }

  private EndpointChoice choice(
      MeshView view,
      int port,
      ResolutionMode mode,
      Predicate<String> setAside,
      Set<String> failed) {
    Service service = Objects.requireNonNull(view.service(TestMesh.key("ns/svc")));
    OutboundCall call =
        new OutboundCall(
            TestMesh.workload(view, "source"),
            TestMesh.ip("10.0.0.1"),
            TestMesh.socket("10.1.0.1:80"),
            failed);
    return new EndpointChoice(
        new Scene(view, call, setAside, RouteTrace.OFF, _ -> {}), service, port, mode, random);
  }

  private Map<String, Integer> draw(MeshView view, int port, ResolutionMode mode) {
    Workload chosen = choice(view, port, mode, _ -> false).choose();
    return chosen == null ? Map.of() : Map.of(chosen.uid(), 1);
  }

  private static MeshView view(String workloads, String service) {
    return TestMesh.view(
        """
        workloads:
        - {uid: source, namespace: ns, network: n, node: node-a, workloadIps: [10.0.0.1], services: {},
           locality: {region: r, zone: z, subzone: ''}}
        %s
        services:
        - {name: svc, namespace: ns, hostname: svc, vips: [], ports: {80: 8080} %s}
        """
            .formatted(workloads, service));
  }
}
