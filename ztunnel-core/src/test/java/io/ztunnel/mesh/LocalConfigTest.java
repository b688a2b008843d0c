package io.ztunnel.mesh;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.hbone.SpiffeId;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class LocalConfigTest {
  private static final String EVERYTHING =
      """
      workloads:
      - uid: c1//Pod/shop/cart-0
        name: cart-0
        namespace: shop
        trustDomain: cluster.local
        serviceAccount: cart
        workloadIps: ["10.1.0.7", "fd00:1::7"]
        protocol: HBONE
        networkMode: HostNetwork
        status: Unhealthy
        node: node-a
        network: net1
        clusterId: Kubernetes
        hostname: cart.example.com
        workloadName: cart
        workloadType: deployment
        canonicalName: cart
        canonicalRevision: 1.10
        nativeTunnel: true
        capacity: 4294967295
        locality: {region: r1, zone: z1, subzone: ""}
        authorizationPolicies: ["shop/cart-only-web"]
        waypoint: {destination: "shop/wp.shop.svc.cluster.local", hboneMtlsPort: 15008}
        networkGateway: {destination: "net2/192.0.2.10", hboneMtlsPort: 15009}
        applicationTunnel: {protocol: PROXY, port: 15088}
        services:
          shop/cart.shop.svc.cluster.local:
            80: 8080
      - namespace: bare
        workloadIps: []
        services: {}
      services:
      - name: cart
        namespace: shop
        hostname: cart.shop.svc.cluster.local
        vips: ["net1/10.96.0.20", "/fd00::20"]
        cidrVips: [{network: net1, cidr: 172.20.0.1/16}]
        ports: {80: 8080, "443": 0}
        endpoints: {a: {workloadUid: a, port: {80: 81}, status: Healthy}}
        subjectAltNames: ["spiffe://td/ns/a/sa/b", "not an identity"]
        canonical: true
        visibility: Namespace
        ipFamilies: IPv6
        waypoint: {destination: "net1/10.1.0.9", hboneMtlsPort: 15008}
        weightedWaypoints:
        - destination: {destination: "shop/wp2", hboneMtlsPort: 15008}
          weight: 25
        loadBalancer:
          routingPreferences: [Network, Region, Zone, Subzone, Node, Cluster]
          mode: Failover
          healthPolicy: AllowAll
      - {name: bare, namespace: bare, hostname: bare, vips: [], ports: {}}
      policies:
      - name: cart-only-web
        namespace: shop
        scope: WorkloadSelector
        action: Allow
        dryRun: false
        rules:
        - - - principals: [!Exact cluster.local/ns/shop/sa/web, {Prefix: a}, !Suffix "z", !Presence []]
              notNamespaces: [{Presence: []}]
              serviceAccounts: [{namespace: shop, serviceAccount: web}]
              sourceIps: [10.0.0.1/8]
              notDestinationIps: ["fd00::/8"]
          - - destinationPorts: [8080]
            - notDestinationPorts: [81]
      """;

  @Test
  void readsEveryFieldOfAWorkload() {
    Workload cart = TestMesh.config(EVERYTHING).workloads().getFirst();
    assertEquals("c1//Pod/shop/cart-0", cart.uid());
    assertEquals(new WorkloadInfo("cart-0", "shop", "cart"), cart.info());
    assertEquals(new SpiffeId("cluster.local", "shop", "cart"), cart.identity());
    assertEquals(List.of(TestMesh.ip("10.1.0.7"), TestMesh.ip("fd00:1::7")), cart.ips());
    assertEquals(Protocol.HBONE, cart.protocol());
    assertEquals(NetworkMode.HOST_NETWORK, cart.networkMode());
    assertEquals(HealthStatus.UNHEALTHY, cart.status());
    assertEquals(
        new Location("net1", "node-a", "Kubernetes", new Locality("r1", "z1", "")),
        cart.location());
    assertEquals("cart.example.com", cart.hostname());
    assertEquals(new WorkloadLabels("cart", "deployment", "cart", "1.10"), cart.labels());
    assertTrue(cart.nativeTunnel());
    assertEquals(4294967295L, cart.capacity());
    assertEquals(List.of("shop/cart-only-web"), cart.authorizationPolicies());
    assertEquals(
        new GatewayAddress(TestMesh.key("shop/wp.shop.svc.cluster.local"), 15008), cart.waypoint());
    assertEquals(
        new GatewayAddress(TestMesh.address("net2/192.0.2.10"), 15009), cart.networkGateway());
    assertEquals(
        new ApplicationTunnel(ApplicationTunnel.Kind.PROXY, 15088), cart.applicationTunnel());
    assertEquals(
        Map.of(TestMesh.key("shop/cart.shop.svc.cluster.local"), PortMap.of(Map.of(80, 8080))),
        cart.serving().services());
    assertEquals(List.of("shop/cart.shop.svc.cluster.local"), cart.sortedServices());
  }

  @Test
  void whatIsNotSaidHasTheReferencesDefaults() {
    Workload bare = TestMesh.config(EVERYTHING).workloads().getLast();
    assertEquals(Workload.builder("").identity(new SpiffeId("", "bare", "")).build(), bare);
    assertEquals(Protocol.TCP, bare.protocol());
    assertEquals(HealthStatus.HEALTHY, bare.status());
    assertEquals(1, bare.capacity());
    Service service = TestMesh.config(EVERYTHING).services().getLast();
    assertEquals(Service.Visibility.PUBLIC, service.visibility());
    assertNull(service.loadBalancer());
    assertNull(service.ipFamilies());
    assertNull(service.waypoints().only());
  }

  @Test
  void readsEveryFieldOfAService() {
    Service cart = TestMesh.config(EVERYTHING).services().getFirst();
    assertEquals(new ServiceName("cart", "shop", "cart.shop.svc.cluster.local"), cart.name());
    assertEquals(
        List.of(TestMesh.address("net1/10.96.0.20"), TestMesh.address("/fd00::20")), cart.vips());
    assertEquals(
        List.of(new NetworkCidr("net1", Objects.requireNonNull(Cidr.parse("172.20.0.1/16")))),
        cart.cidrVips());
    assertEquals(PortMap.of(Map.of(80, 8080, 443, 0)), cart.ports());
    assertEquals(
        List.of(new Endpoint("a", PortMap.of(Map.of(80, 81)), HealthStatus.HEALTHY)),
        cart.endpoints().sorted());
    assertEquals(List.of("spiffe://td/ns/a/sa/b", "not an identity"), cart.subjectAltNames());
    assertEquals(List.of("spiffe://td/ns/a/sa/b"), cart.peers().identities());
    assertTrue(cart.canonical());
    assertEquals(Service.Visibility.NAMESPACE, cart.visibility());
    assertEquals(IpFamilies.IPV6, cart.ipFamilies());
    assertEquals(
        new Service.Waypoints(
            new GatewayAddress(TestMesh.address("net1/10.1.0.9"), 15008),
            List.of(new WeightedWaypoint(new GatewayAddress(TestMesh.key("shop/wp2"), 15008), 25))),
        cart.waypoints());
    assertEquals(
        new LoadBalancer(
            List.of(
                LoadBalancer.Scope.NETWORK,
                LoadBalancer.Scope.REGION,
                LoadBalancer.Scope.ZONE,
                LoadBalancer.Scope.SUBZONE,
                LoadBalancer.Scope.NODE,
                LoadBalancer.Scope.CLUSTER),
            LoadBalancer.Mode.FAILOVER,
            LoadBalancer.HealthPolicy.ALLOW_ALL),
        cart.loadBalancer());
  }

  @Test
  void readsEveryFieldOfAPolicy() {
    Authorization policy = TestMesh.config(EVERYTHING).policies().getFirst();
    assertEquals("shop/cart-only-web", policy.fullName());
    assertEquals(Authorization.Scope.WORKLOAD_SELECTOR, policy.scope());
    assertEquals(Authorization.Action.ALLOW, policy.action());
    assertEquals(1, policy.rules().size());
    List<Authorization.Clause> clauses = policy.rules().getFirst().clauses();
    assertEquals(
        new Authorization.Match(
            new Authorization.Constraint<>(List.of(), List.of(new StringMatch.Presence())),
            new Authorization.Constraint<>(
                List.of(new Authorization.ServiceAccountMatch("shop", "web")), List.of()),
            new Authorization.Constraint<>(
                List.of(
                    new StringMatch.Exact("cluster.local/ns/shop/sa/web"),
                    new StringMatch.Prefix("a"),
                    new StringMatch.Suffix("z"),
                    new StringMatch.Presence()),
                List.of()),
            new Authorization.Constraint<>(
                List.of(Objects.requireNonNull(Cidr.parse("10.0.0.1/8"))), List.of()),
            new Authorization.Constraint<>(
                List.of(), List.of(Objects.requireNonNull(Cidr.parse("fd00::/8")))),
            Authorization.Constraint.none()),
        clauses.getFirst().matches().getFirst());
    assertEquals(List.of(8080), clauses.getLast().matches().getFirst().destinationPorts().anyOf());
    assertEquals(List.of(81), clauses.getLast().matches().getLast().destinationPorts().noneOf());
  }

  @Test
  void aDumpOfAPolicyCanBeReadBack() {
    Authorization policy =
        TestMesh.config(
                """
                {"policies": [{"action": "Deny", "dryRun": true, "name": "p", "namespace": "n",
                  "scope": "Global", "rules": [[[{"principals": [{"Exact": "x"}]}]]]}]}
                """)
            .policies()
            .getFirst();
    assertEquals(Authorization.Scope.GLOBAL, policy.scope());
    assertTrue(policy.dryRun());
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
"""
workloads: [{namespace: a, workloadIps: [], services: {}, protocol: HBNOE}] | workloads[0].protocol: "HBNOE" (expected: TCP or HBONE) at line 1
workloads: [{namespace: a, workloadIps: [10.1], services: {}}] | workloads[0].workloadIps[0]: "10.1" (expected: an IPv4 or IPv6 address) at line 1
workloads: [{namespace: a, services: {}}] | workloads[0].workloadIps: missing (expected: a value) in what begins at line 1
workloads: [{namespace: a, workloadIps: []}] | workloads[0].services: missing (expected: a value) in what begins at line 1
workloads: [{namespace: a, workloadIps: [], services: {x: {}}}] | workloads[0].services: "x" (expected: namespace/hostname) at line 1
workloads: [{namespace: a, workloadIps: [], services: {a/b: {http: 80}}}] | workloads[0].services["a/b"]: "http" (expected: a number from 0 to 65535) at line 1
workloads: [{namespace: a, workloadIps: [], services: {a/b: {80: 70000}}}] | workloads[0].services["a/b"]["80"]: "70000" (expected: a number from 0 to 65535) at line 1
workloads: [{namespace: a, workloadIps: [], services: {}, capacity: -1}] | workloads[0].capacity: "-1" (expected: a number from 0 to 4294967295) at line 1
workloads: [{namespace: a, workloadIps: [], services: {}, nativeTunnel: yes}] | workloads[0].nativeTunnel: "yes" (expected: true or false) at line 1
workloads: [{namespace: a, workloadIps: [], services: {}, waypoint: {destination: x, hboneMtlsPort: 1}}] | workloads[0].waypoint.destination: "x" (expected: network/ip or namespace/hostname) at line 1
workloads: [{namespace: [], workloadIps: [], services: {}}] | workloads[0].namespace: a list (expected: a text) at line 1
workloads: [{namespace: , workloadIps: [], services: {}}] | workloads[0].namespace: nothing (expected: a text) at line 1
workloads: [{namespace: a, namespace: b, workloadIps: [], services: {}}] | workloads[0].namespace: given twice (expected: once) at line 1
workloads: {a: b} | workloads: a map (expected: a list) at line 1
[] | document: a list (expected: a map) at line 1
nodes: [] | nodes: unknown key (expected: workloads, policies or services) at line 1
services: [{name: a, namespace: a, hostname: a, vips: [10.0.0.1], ports: {}}] | services[0].vips[0]: "10.0.0.1" (expected: network/ip) at line 1
services: [{name: a, namespace: a, hostname: a, vips: [], ports: {80: 1, 80: 2}}] | services[0].ports: "80" (expected: each key once) at line 1
services: [{name: a, namespace: a, hostname: a, vips: [], ports: {}, cidrVips: [{network: a, cidr: 10.0.0.0/33}]}] | services[0].cidrVips[0].cidr: "10.0.0.0/33" (expected: ip/prefix length) at line 1
services: [{name: a, namespace: a, hostname: a, vips: [], ports: {}, loadBalancer: {routingPreferences: [Planet], mode: Strict, healthPolicy: AllowAll}}] | services[0].loadBalancer.routingPreferences[0]: "Planet" (expected: Region, Zone, Subzone, Node, Cluster or Network) at line 1
services: [{name: a, namespace: a, hostname: a, vips: [], ports: {}, visibility: ~, extra: 1}] | services[0].extra: unknown key (expected: name, namespace, hostname, vips, cidrVips, ports, endpoints, subjectAltNames, waypoint, weightedWaypoints, loadBalancer, ipFamilies, canonical, visibility or ingressUseWaypoint) at line 1
services: [{name: a, namespace: a, hostname: a, vips: [], ports: {}, endpoints: {b: {workloadUid: a, port: {}, status: Healthy}}}] | services[0].endpoints: a map (expected: the workloadUid of each endpoint as its key) at line 1
policies: [{name: a, namespace: a, scope: Global, action: Allow, rules: []}] | policies[0].dryRun: missing (expected: a value) in what begins at line 1
policies: [{name: a, namespace: a, scope: Global, action: Allow, dryRun: false, rules: [[[{principal: []}]]]}] | policies[0].rules[0][0][0].principal: unknown key (expected: namespaces, notNamespaces, serviceAccounts, notServiceAccounts, principals, notPrincipals, sourceIps, notSourceIps, destinationIps, notDestinationIps, destinationPorts or notDestinationPorts) at line 1
policies: [{name: a, namespace: a, scope: Global, action: Allow, dryRun: false, rules: [[[{principals: [!Like x]}]]]}] | policies[0].rules[0][0][0].principals[0]: "x" (expected: !Exact, !Prefix or !Suffix with a text, or !Presence []) at line 1
policies: [{name: a, namespace: a, scope: Global, action: Allow, dryRun: false, rules: [[[{principals: [x]}]]]}] | policies[0].rules[0][0][0].principals[0]: "x" (expected: a map) at line 1
policies: [{name: a, namespace: a, scope: Global, action: Allow, dryRun: false, rules: [[[{principals: [!Presence [x]]}]]]}] | policies[0].rules[0][0][0].principals[0]: a list (expected: !Exact, !Prefix or !Suffix with a text, or !Presence []) at line 1
""")
  void saysWhereWhatAndWhatWasExpected(String yaml, String message) {
    var e = assertThrows(LocalConfigException.class, () -> LocalConfig.parse(yaml));
    assertEquals(message, e.getMessage());
  }

  @Test
  void countsLinesFromOne() {
    String yaml =
        """
        workloads:
        - namespace: a
          workloadIps: []
          services: {}
        - namespace: a
          workloadIps: []
          services: {}
          protcol: HBONE
        """;
    var e = assertThrows(LocalConfigException.class, () -> LocalConfig.parse(yaml));
    assertTrue(
        e.getMessage().startsWith("workloads[1].protcol: unknown key (expected: uid, name,"),
        e.getMessage());
    assertTrue(e.getMessage().endsWith(" at line 8"), e.getMessage());
  }

  @ParameterizedTest
  @CsvSource({
    "'{', line 1",
    "'workloads: [}', line 1",
    "'', empty",
    "'a: b\n---\nc: d', single document",
    "'a: *x', undefined alias"
  })
  void namesWhatIsNoYaml(String yaml, String part) {
    var e = assertThrows(LocalConfigException.class, () -> LocalConfig.parse(yaml));
    assertTrue(e.getMessage().contains(part), e.getMessage());
  }

  @Test
  void namesTheFile(@TempDir Path directory) throws Exception {
    Path file = directory.resolve("mesh.yaml");
    var missing = assertThrows(LocalConfigException.class, () -> LocalConfig.read(file));
    assertTrue(missing.getMessage().startsWith(file + ": cannot be read"), missing.getMessage());
    Files.writeString(file, "x: 1");
    var wrong = assertThrows(LocalConfigException.class, () -> LocalConfig.read(file));
    assertTrue(wrong.getMessage().startsWith(file + ": x: unknown key"), wrong.getMessage());
    Files.write(file, new byte[] {(byte) 0xff, (byte) 0xff});
    var binary = assertThrows(LocalConfigException.class, () -> LocalConfig.read(file));
    assertTrue(binary.getMessage().startsWith(file + ": not a text"), binary.getMessage());
    Files.writeString(file, EVERYTHING);
    assertEquals(TestMesh.config(EVERYTHING), LocalConfig.read(file));
  }

  @Test
  void replacesWhatWasKnown() {
    MeshState state = TestMesh.state(EVERYTHING);
    TestMesh.config("{}").replace(state);
    assertEquals(List.of(), state.view().sortedWorkloads());
    assertEquals(List.of(), state.view().sortedServices());
    assertEquals(Map.of(), state.view().sortedPolicies());
    assertEquals(Map.of(), state.view().stagedServices());
  }

  @Test
  void findsALocalMeshByItsAddresses() {
    MeshView view =
        TestMesh.view(
            """
            workloads:
            - uid: cluster1//v1/Pod/default/local-source
              name: local-source
              namespace: default
              serviceAccount: default
              workloadIps: ["127.0.0.1"]
              node: node-a
              protocol: HBONE
              services:
                default/example.com: {80: 8080}
            services:
            - name: local-vip
              namespace: default
              hostname: example.com
              vips: ["/127.10.0.1", "remote/127.10.0.2"]
              ports: {80: 8080}
              subjectAltNames: ["spiffe://cluster.local/ns/default/sa/local-source"]
            """);
    Workload source = Objects.requireNonNull(view.workload(TestMesh.address("/127.0.0.1")));
    assertEquals("default", source.serviceAccount());
    assertEquals(
        source, view.localWorkload(new WorkloadInfo("local-source", "default", "default")));
    Service service = Objects.requireNonNull(view.service(TestMesh.address("/127.10.0.1"), null));
    assertEquals(8080, service.ports().target(80));
    assertEquals(1, service.subjectAltNames().size());
    assertEquals(service, view.service(TestMesh.address("remote/127.10.0.2"), null));
    assertNotNull(service.endpoints().get(source.uid()));
    assertEquals(List.of(service), view.services(source));
    assertEquals(Set.of(TestMesh.key("default/example.com")), source.services());
  }
}
