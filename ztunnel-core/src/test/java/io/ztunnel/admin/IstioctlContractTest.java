package io.ztunnel.admin;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.identity.CertificateState;
import io.ztunnel.mesh.TestMesh;
import io.ztunnel.proxy.ConnectionSummary;
import io.ztunnel.proxy.PodState;
import io.ztunnel.redirection.PodInfo;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;

/**
 * The fields that {@code istioctl ztunnel-config} reads from the dump, with the JSON types that it
 * insists on: one field of another type makes the whole command fail.
 */
class IstioctlContractTest {
  private static Object dump() throws Exception {
    var dump = new ConfigDump();
    MeshSections.add(
        dump,
        () ->
            TestMesh.view(
                """
                workloads:
                - uid: c//Pod/ns/w
                  name: w
                  namespace: ns
                  serviceAccount: sa
                  trustDomain: td
                  network: n1
                  node: node-a
                  hostname: w.example.com
                  clusterId: c
                  workloadIps: [10.0.0.1, "fd00::1"]
                  protocol: HBONE
                  status: Healthy
                  capacity: 7
                  workloadName: w
                  workloadType: deployment
                  canonicalName: w
                  canonicalRevision: v1
                  locality: {region: r, zone: z, subzone: s}
                  waypoint: {destination: n1/10.1.0.1, hboneMtlsPort: 15008}
                  networkGateway: {destination: ns/gw.ns.svc, hboneMtlsPort: 15008}
                  applicationTunnel: {protocol: PROXY, port: 15088}
                  authorizationPolicies: [ns/p]
                  services: {ns/s.ns.svc: {80: 8080}}
                services:
                - name: s
                  namespace: ns
                  hostname: s.ns.svc
                  vips: [n1/10.1.0.1]
                  cidrVips: [{network: n1, cidr: 10.2.0.0/16}]
                  ports: {80: 8080}
                  subjectAltNames: [spiffe://td/ns/ns/sa/sa]
                  canonical: true
                  visibility: Namespace
                  ipFamilies: Dual
                  waypoint: {destination: n1/10.1.0.1, hboneMtlsPort: 15008}
                  loadBalancer: {routingPreferences: [Network], mode: Failover, healthPolicy: AllowAll}
                policies:
                - name: p
                  namespace: ns
                  scope: WorkloadSelector
                  action: Allow
                  dryRun: false
                  rules:
                  - - - namespaces: [!Exact a]
                        notNamespaces: [!Prefix a]
                        principals: [!Suffix a]
                        notPrincipals: [!Presence []]
                        sourceIps: [10.0.0.0/8]
                        notSourceIps: [10.0.0.0/9]
                        destinationIps: [10.0.0.0/8]
                        notDestinationIps: [10.0.0.0/9]
                        destinationPorts: [80]
                        notDestinationPorts: [81]
                """),
        () -> null);
    CertificateSection.add(
        dump,
        () ->
            new TreeMap<>(Map.of("spiffe://td/ns/ns/sa/sa", new CertificateState.Initializing())));
    PodSection.add(
        dump,
        () ->
            new TreeMap<>(
                Map.of(
                    "pod-uid",
                    new PodState.Up(
                        new PodInfo("w", "ns", "sa"),
                        List.of(
                            connection(ConnectionSummary.Direction.INBOUND),
                            connection(ConnectionSummary.Direction.OUTBOUND))))),
        true);
    return new Yaml(new SafeConstructor(new LoaderOptions()))
        .load(Printed.json(dump.values())); // JSON is YAML
  }

  private static ConnectionSummary connection(ConnectionSummary.Direction direction) {
    return new ConnectionSummary(
        direction,
        new InetSocketAddress("10.0.0.1", 1),
        "10.1.0.1:80",
        new InetSocketAddress("10.0.0.2", 2),
        "HBONE");
  }

  /** All values at a path; {@code *} stands for every element or field. */
  private static List<Object> at(Object value, List<String> path) {
    if (path.isEmpty()) {
      return List.of(value);
    }
    List<String> rest = path.subList(1, path.size());
    Collection<?> next =
        switch (value) {
          case Map<?, ?> map when path.getFirst().equals("*") -> map.values();
          case Map<?, ?> map ->
              map.containsKey(path.getFirst()) ? List.of(map.get(path.getFirst())) : List.of();
          case List<?> list when path.getFirst().equals("*") -> list;
          default -> List.of();
        };
    List<Object> found = new ArrayList<>();
    next.forEach(one -> found.addAll(at(one, rest)));
    return found;
  }

  @ParameterizedTest(name = "{0} {1}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          workloads *    | string  | uid name namespace serviceAccount trustDomain network node hostname clusterId protocol status workloadName workloadType canonicalName canonicalRevision
          workloads *    | number  | capacity
          workloads * workloadIps * | string |
          workloads * authorizationPolicies * | string |
          workloads * waypoint | string | destination
          workloads * networkGateway | string | destination
          workloads * locality | string | region zone subzone
          workloads * applicationTunnel | string | protocol
          workloads * applicationTunnel | number | port
          services *     | string  | name namespace hostname ipFamilies visibility
          services *     | boolean | canonical
          services * vips * | string |
          services * cidrVips * | string | network cidr
          services * subjectAltNames * | string |
          services * ports | number | 80
          services * loadBalancer | string | mode healthPolicy
          services * loadBalancer routingPreferences * | string |
          services * waypoint | string | destination
          services * endpoints * | string | workloadUid
          services * endpoints * port | number | 80
          policies *     | string  | name namespace scope action
          policies * rules * * * namespaces * | string | Exact
          policies * rules * * * notNamespaces * | string | Prefix
          policies * rules * * * principals * | string | Suffix
          policies * rules * * * notPrincipals * | list | Presence
          policies * rules * * * sourceIps * | string |
          policies * rules * * * notSourceIps * | string |
          policies * rules * * * destinationIps * | string |
          policies * rules * * * notDestinationIps * | string |
          policies * rules * * * destinationPorts * | number |
          policies * rules * * * notDestinationPorts * | number |
          certificates * | string  | identity state
          certificates * | list    | certChain rootCerts
          workloadState * | string | state
          workloadState * info | string | name namespace serviceAccount
          workloadState * connections inbound * | string | src originalDst actualDst protocol
          workloadState * connections outbound * | string | src originalDst actualDst protocol
          """)
  void theFieldHasTheTypeThatIsRead(String path, String type, String fields) throws Exception {
    List<String> parent = List.of(path.split(" "));
    for (String field : fields == null ? List.of("") : List.of(fields.split(" "))) {
      List<String> whole = new ArrayList<>(parent);
      if (!field.isEmpty()) {
        whole.add(field);
      }
      List<Object> found = at(dump(), whole);
      assertFalse(found.isEmpty(), () -> "nothing at " + whole);
      for (Object value : found) {
        assertTrue(
            switch (type) {
              case "string" -> value instanceof String;
              case "number" -> value instanceof Integer;
              case "boolean" -> value instanceof Boolean;
              case "list" -> value instanceof List;
              default -> throw new IllegalArgumentException(type);
            },
            () -> whole + " is " + value);
      }
    }
  }

  @Test
  void portsKeepTheirNumbersAsKeysOfText() throws Exception {
    var dump = new ConfigDump().section("ports", () -> Map.of(80, 8080));
    assertEquals("{\n  \"ports\": {\n    \"80\": 8080\n  }\n}", Printed.json(dump.values()));
  }
}
