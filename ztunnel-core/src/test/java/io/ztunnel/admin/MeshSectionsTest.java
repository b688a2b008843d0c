package io.ztunnel.admin;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import io.ztunnel.mesh.Authorization;
import io.ztunnel.mesh.LocalConfig;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.Workload;
import io.ztunnel.proxy.ConnectionSummary;
import io.ztunnel.proxy.PodState;
import io.ztunnel.redirection.PodInfo;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;

class MeshSectionsTest {
  /** JSON is YAML. */
  private static Object parsed(@Nullable Object value) throws Exception {
    return new Yaml(new SafeConstructor(new LoaderOptions())).load(Printed.json(value));
  }

  @SuppressWarnings("unchecked") // the reference's dump
  private static Map<String, List<Map<String, Object>>> reference() throws Exception {
    try (InputStream in = MeshSectionsTest.class.getResourceAsStream("reference-dump.json")) {
      return (Map<String, List<Map<String, Object>>>)
          new Yaml(new SafeConstructor(new LoaderOptions())).load(in);
    }
  }

  private static LocalConfig mesh(String yaml) throws Exception {
    return LocalConfig.parse(yaml);
  }

  private static Workload echo() throws Exception {
    return mesh("""
            workloads:
            - uid: east//Pod/shop/echo-0
              name: echo-0
              namespace: shop
              serviceAccount: echo
              trustDomain: cluster.local
              workloadIps: ["10.2.1.1"]
              protocol: HBONE
              network: net-east
              node: node1
              clusterId: east
              workloadName: echo-0
              workloadType: deployment
              canonicalName: echo-0
              canonicalRevision: v1
              services: {"shop/echo.shop.svc.cluster.local": {80: 8080}}
            """)
        .workloads()
        .getFirst();
  }

  @Test
  void aWorkloadLooksLikeTheReferences() throws Exception {
    // The one field in which a local workload differs: its services are not listed (Istio).
    var expected = new TreeMap<String, Object>(list("workloads").getFirst());
    var ours = new TreeMap<String, Object>();
    ((Map<?, ?>) parsed(MeshSections.workload(echo())))
        .forEach((k, v) -> ours.put(k.toString(), v));
    expected.remove("services");
    ours.remove("services");
    assertEquals(expected, ours);
  }

  private static List<Map<String, Object>> list(String section) throws Exception {
    List<Map<String, Object>> list = reference().get(section);
    assertNotNull(list);
    return list;
  }

  @Test
  void aServiceLooksLikeTheReferences() throws Exception {
    Service service =
        mesh("""
                services:
                - name: echo
                  namespace: shop
                  hostname: echo.shop.svc.cluster.local
                  vips: ["net-east/10.102.0.1"]
                  ports: {80: 8080}
                  canonical: true
                  endpoints:
                    east//Pod/shop/echo-0: {workloadUid: east//Pod/shop/echo-0, port: {80: 8080}, status: Healthy}
                    east//Pod/shop/echo-1: {workloadUid: east//Pod/shop/echo-1, port: {80: 8080}, status: Healthy}
                    east//Pod/shop/echo-2: {workloadUid: east//Pod/shop/echo-2, port: {80: 8080}, status: Healthy}
                """)
            .services()
            .getFirst();
    assertEquals(list("services").getFirst(), parsed(MeshSections.service(service)));
  }

  @Test
  void aPolicyLooksLikeTheReferences() throws Exception {
    Authorization policy =
        mesh("""
                policies:
                - name: allow-client
                  namespace: shop
                  scope: WorkloadSelector
                  action: Allow
                  dryRun: false
                  rules:
                  - - - principals: [!Exact cluster.local/ns/shop/sa/client]
                    - - destinationPorts: [8080]
                """)
            .policies()
            .getFirst();
    assertEquals(list("policies").getFirst(), parsed(MeshSections.policy(policy)));
  }

  @Test
  void everyFieldOfAWorkloadIsShownOnceItIsSet() throws Exception {
    Workload workload =
        mesh("""
                workloads:
                - uid: u
                  name: n
                  namespace: ns
                  workloadIps: ["fd00::7"]
                  hostname: h.example
                  networkMode: HostNetwork
                  status: Unhealthy
                  nativeTunnel: true
                  capacity: 3
                  applicationTunnel: {protocol: PROXY}
                  authorizationPolicies: [ns/p]
                  locality: {region: r, zone: z, subzone: ""}
                  waypoint: {destination: "net1/10.0.0.1", hboneMtlsPort: 15008}
                  networkGateway: {destination: "ns/gw.example", hboneMtlsPort: 15443}
                  services: {}
                """)
            .workloads()
            .getFirst();
    assertEquals(
        parsedYaml(
            """
            uid: u
            name: n
            namespace: ns
            workloadIps: ["fd00::7"]
            protocol: TCP
            hostname: h.example
            networkMode: HostNetwork
            status: Unhealthy
            clusterId: ""
            nativeTunnel: true
            capacity: 3
            applicationTunnel: {protocol: PROXY, port: null}
            authorizationPolicies: [ns/p]
            locality: {region: r, zone: z, subzone: ""}
            waypoint: {destination: "net1/10.0.0.1", hboneMtlsPort: 15008}
            networkGateway: {destination: "ns/gw.example", hboneMtlsPort: 15443}
            """),
        parsed(MeshSections.workload(workload)));
  }

  private static Object parsedYaml(String yaml) {
    return new Yaml(new SafeConstructor(new LoaderOptions())).load(yaml);
  }

  @Test
  void everyFieldOfAServiceIsShownOnceItIsSet() throws Exception {
    String fields =
        """
        name: s
        namespace: ns
        hostname: s.example
        vips: []
        cidrVips: [{network: net1, cidr: 172.20.0.0/16}]
        ports: {443: 0}
        endpoints: {}
        subjectAltNames: ["spiffe://td/ns/a/sa/b"]
        waypoint: {destination: "ns/wp.example", hboneMtlsPort: 15008}
        weightedWaypoints: [{destination: {destination: "ns/wp2.example", hboneMtlsPort: 15008}, weight: 7}]
        loadBalancer: {routingPreferences: [Network, Zone], mode: Failover, healthPolicy: AllowAll}
        ipFamilies: IPv6
        canonical: false
        visibility: Namespace
        """;
    Service service =
        mesh("services:\n- " + fields.strip().replace("\n", "\n  ") + "\n").services().getFirst();
    assertEquals(
        parsedYaml(fields.replace("{443: 0}", "{\"443\": 0}")),
        parsed(MeshSections.service(service)));
  }

  @Test
  void everyMatchOfAPolicyIsShownWithItsOpposite() throws Exception {
    Authorization policy =
        mesh("""
                policies:
                - name: p
                  namespace: ns
                  scope: Global
                  action: Deny
                  dryRun: true
                  rules:
                  - - - namespaces: [!Prefix a, !Presence []]
                        notNamespaces: [!Suffix b]
                        principals: [!Exact c]
                        notPrincipals: [!Exact d]
                        serviceAccounts: [{namespace: n, serviceAccount: s}]
                        notServiceAccounts: [{namespace: n, serviceAccount: t}]
                        sourceIps: [10.0.0.0/8]
                        notSourceIps: ["fd00::/8"]
                        destinationIps: [10.1.0.0/16]
                        notDestinationIps: [10.1.2.3/32]
                        destinationPorts: [80]
                        notDestinationPorts: [81]
                """)
            .policies()
            .getFirst();
    assertEquals(
        parsedYaml(
            """
            name: p
            namespace: ns
            scope: Global
            action: Deny
            dryRun: true
            rules:
            - - - namespaces: [{Prefix: a}, {Presence: []}]
                  notNamespaces: [{Suffix: b}]
                  principals: [{Exact: c}]
                  notPrincipals: [{Exact: d}]
                  serviceAccounts: [{namespace: n, serviceAccount: s}]
                  notServiceAccounts: [{namespace: n, serviceAccount: t}]
                  sourceIps: [10.0.0.0/8]
                  notSourceIps: ["fd00::/8"]
                  destinationIps: [10.1.0.0/16]
                  notDestinationIps: [10.1.2.3/32]
                  destinationPorts: [80]
                  notDestinationPorts: [81]
            """),
        parsed(MeshSections.policy(policy)));
  }

  @Test
  void podsLookLikeTheReferences() throws Exception {
    SortedMap<String, PodState> pods = new TreeMap<>();
    pods.put(
        "east//Pod/shop/echo-0",
        new PodState.Up(
            new PodInfo("echo-0", "shop", "echo"),
            List.of(
                new ConnectionSummary(
                    ConnectionSummary.Direction.INBOUND,
                    new InetSocketAddress("10.2.3.1", 43998),
                    "echo.shop.svc.cluster.local",
                    new InetSocketAddress("10.2.1.1", 8080),
                    "HBONE"))));
    for (String name : List.of("echo-1", "echo-2")) {
      pods.put(
          "east//Pod/shop/" + name, new PodState.Up(new PodInfo(name, "shop", "echo"), List.of()));
    }
    assertEquals(reference().get("workloadState"), parsed(new PodSection(true).pods(pods)));
  }

  @Test
  void aPendingPodHasNoConnectionsAndAnUnknownServiceIsNull() throws Exception {
    SortedMap<String, PodState> pods = new TreeMap<>();
    var info = new PodInfo("a", "b", "c");
    pods.put("p", new PodState.Pending(info, "no port"));
    pods.put(
        "u",
        new PodState.Up(
            info,
            List.of(
                new ConnectionSummary(
                    ConnectionSummary.Direction.INBOUND,
                    new InetSocketAddress("fd00::1", 1),
                    "",
                    new InetSocketAddress("fd00::2", 2),
                    "TCP"))));
    var shown = (Map<?, ?>) parsed(new PodSection(true).pods(pods));
    assertEquals(
        parsedYaml("{info: {name: a, namespace: b, serviceAccount: c}, state: Pending}"),
        shown.get("p"));
    assertEquals(
        parsedYaml(
            "{info: {name: a, namespace: b, serviceAccount: c}, state: Up, connections: {outbound:"
                + " [], inbound: [{src: '[fd00::1]:1', originalDst: null, actualDst: '[fd00::2]:2',"
                + " protocol: TCP}]}}"),
        shown.get("u"));
  }

  private static ConnectionSummary outbound(int port, String protocol) {
    return new ConnectionSummary(
        ConnectionSummary.Direction.OUTBOUND,
        new InetSocketAddress("10.0.0.1", port),
        "10.96.0.1:80",
        new InetSocketAddress("10.0.0.2", 15008),
        protocol);
  }

  @Test
  void connectionsAreShownOnceAndWhenTheyAreRouted() throws Exception {
    SortedMap<String, PodState> pods = new TreeMap<>();
    pods.put(
        "u",
        new PodState.Up(
            new PodInfo("a", "b", "c"),
            List.of(outbound(1, "HBONE"), outbound(2, ""), outbound(1, "HBONE"))));
    assertEquals(
        parsedYaml(
            "{u: {info: {name: a, namespace: b, serviceAccount: c}, state: Up, connections: {inbound:"
                + " [], outbound: [{src: '10.0.0.1:1', originalDst: '10.96.0.1:80', actualDst:"
                + " '10.0.0.2:15008', protocol: HBONE}]}}}"),
        parsed(new PodSection(true).pods(pods)));
  }

  @Test
  void aPodWhoseTrafficIsNotOursHasNoConnections() throws Exception {
    SortedMap<String, PodState> pods = new TreeMap<>();
    pods.put("u", new PodState.Up(new PodInfo("a", "b", "c"), List.of()));
    assertEquals(
        parsedYaml("{u: {info: {name: a, namespace: b, serviceAccount: c}, state: Up}}"),
        parsed(new PodSection(false).pods(pods)));
  }
}
